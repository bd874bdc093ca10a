/**
 * Deploys a proxy's contract, owned by the wallet, and sets its operator, payer key and endpoint; of one that is there it changes them.
 * Usage: npx blueprint run deployProxy ROOT WITHDRAW_DELAY INDEX OPERATOR PAYER_KEY URL KEY_PIN|none
 */
import type { NetworkProvider } from '@ton/blueprint';
import { parseAddress, parseDuration, parseHash, parseKey, parseUrl, parseWhole } from '../wrappers/console/answers';
import { carryOut, forFees } from '../wrappers/console/carry-out';
import { proxyLines } from '../wrappers/console/describe';
import { atDesk } from '../wrappers/console/desk';
import { findProxy, findRoot } from '../wrappers/console/found';
import { Refusal } from '../wrappers/console/refusal';
import { hex, span } from '../wrappers/console/words';
import { ProxyContract, packEndpoint } from '../wrappers/ProxyContract';

const UINT32 = 0xffff_ffff;

export function run(provider: NetworkProvider, args: string[]): Promise<void> {
  return atDesk(provider, args, async (desk) => {
    const { ask } = desk;
    const owner = await desk.wallet();
    const root = await findRoot(desk, await ask.value('address of the RootContract', parseAddress));
    const { minProxyDelay } = root.state.governance.params;
    const withdrawDelay = await ask.value('withdraw delay', parseDuration, `${minProxyDelay}`);
    if (withdrawDelay < minProxyDelay)
      throw new Refusal(`withdraw delay of ${span(withdrawDelay)}, the root asks for ${span(minProxyDelay)}`);
    const index = await ask.value('index, for several proxies of one owner', parseWhole(0, UINT32), '0');
    const operator = await ask.value("address of the operator's wallet", parseAddress);
    const payerKey = await ask.value('public key of worker vouchers', parseKey);
    const url = await ask.value('url where clients and workers reach it', parseUrl);
    const pin = await ask.value('key pin of its certificate', (text) => (text === 'none' ? null : parseHash(text)), 'none');
    const keyPin = pin === null ? null : new Uint8Array(Buffer.from(hex(pin), 'hex'));

    const proxy = ProxyContract.create({ owner, root: root.address, withdrawDelay, index });
    if (operator.equals(proxy.address)) throw new Refusal('a proxy cannot be its own operator');
    const configuration = { operator, payerKey, endpoint: { url, keyPin } };
    const isSet = async () => {
      if ((await desk.account(proxy.address)).code === null) return false;
      const { state } = await findProxy(desk, proxy.address);
      const isSameEndpoint = state.endpoint !== null && packEndpoint(state.endpoint).equals(packEndpoint(configuration.endpoint));
      return isSameEndpoint && state.operator?.equals(operator) === true && state.payerKey === payerKey;
    };
    const isThere = (await desk.account(proxy.address)).code !== null;
    if (await isSet()) throw new Refusal(`the proxy ${proxy.address} is deployed already, and has these settings`);
    const value = ProxyContract.VALUE.configure;
    await carryOut(desk, {
      says: [
        isThere ? `  change the settings of the proxy ${proxy.address}` : `  deploy a proxy at ${proxy.address}`,
        `  owner ${owner}, root ${root.address}, withdraw delay ${span(withdrawDelay)}, index ${index}`,
        `  operator ${operator}`,
        `  payer key ${hex(payerKey)}`,
        `  endpoint ${url}, ${keyPin === null ? 'certificate checked in the usual way' : `key pin ${Buffer.from(keyPin).toString('hex')}`}`,
        forFees(value),
      ],
      to: proxy.address,
      value,
      body: ProxyContract.configureBody(configuration),
      init: proxy.init,
      effect: async () => ((await isSet()) ? proxyLines(await findProxy(desk, proxy.address), await desk.now()) : null),
    });
  });
}
