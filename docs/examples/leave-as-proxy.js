// A proxy's owner takes everything out: stake, income, and what lies in the workers' contracts. See docs/run-a-proxy.md.
//   node docs/examples/leave-as-proxy.js announce network.json owner.seed PROXY [WORKER_CONTRACT...]
//   (the proxy's withdraw delay passes)
//   node docs/examples/leave-as-proxy.js workers  network.json owner.seed PROXY WORKER_CONTRACT...
//   node docs/examples/leave-as-proxy.js complete network.json owner.seed PROXY
const { readFileSync } = require('node:fs');
const { Address } = require('@ton/core');
const { ChainClient } = require('../../dist/offchain/chain/chain-client');
const { SendingWallet } = require('../../dist/offchain/chain/wallet');
const { loadWalletSigner } = require('../../dist/offchain/chain/wallet-key');
const { ProxyContract } = require('../../dist/wrappers/ProxyContract');
const { WorkerContract } = require('../../dist/wrappers/WorkerContract');
const { EVERYTHING } = require('../../dist/wrappers/withdrawal');

async function main([step, networkFile, keyFile, proxyText, ...workerTexts]) {
  const { chain, networkId } = JSON.parse(readFileSync(networkFile, 'utf8'));
  const client = new ChainClient({ endpoint: chain[0].url });
  const signer = await loadWalletSigner(keyFile);
  const owner = await SendingWallet.open({ client, signer, networkId, stateFile: `${keyFile}.in-flight` });
  const proxy = Address.parse(proxyText);
  const { stake } = ProxyContract.parseState((await client.getAccount(proxy)).data);

  await owner.send(messagesOf(step, proxy, stake, workerTexts.map(Address.parse)));
  console.log(`${step}: sent; look at the contract with any explorer of this chain`);
}

function messagesOf(step, proxy, stake, workers) {
  const toProxy = (value, body) => ({ to: proxy, value, bounce: true, body });
  switch (step) {
    case 'announce':
      return [
        toProxy(ProxyContract.VALUE.leave, ProxyContract.leaveBody()),
        // A worker's contract takes orders from its proxy alone, and the proxy passes on its owner's.
        ...workers.map((to) => {
          const order = WorkerContract.requestWithdrawalBody({ amount: EVERYTHING });
          return toProxy(ProxyContract.VALUE.order, ProxyContract.orderBody({ to, order }));
        }),
        toProxy(ProxyContract.VALUE.requestWithdrawal, ProxyContract.requestWithdrawalBody({ income: EVERYTHING, stake })),
      ];
    case 'workers':
      return workers.map((to) => {
        const body = WorkerContract.completeWithdrawalBody();
        return { to, value: WorkerContract.VALUE.completeWithdrawal, bounce: true, body };
      });
    case 'complete':
      return [toProxy(ProxyContract.VALUE.completeWithdrawal, ProxyContract.completeWithdrawalBody())];
    default:
      throw new Error('the steps are announce, workers, complete');
  }
}

main(process.argv.slice(2));
