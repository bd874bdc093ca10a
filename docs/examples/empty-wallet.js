// Sends what an operator's or a gas wallet holds to an address, all but 0.006 TON for fees. Stop the process that uses the wallet first.
//   node docs/examples/empty-wallet.js network.json .cocoon/my-worker/keys/gas-wallet.seed TO
const { readFileSync } = require('node:fs');
const { Address } = require('@ton/core');
const { ChainClient } = require('../../dist/offchain/chain/chain-client');
const { SendingWallet } = require('../../dist/offchain/chain/wallet');
const { loadWalletSigner } = require('../../dist/offchain/chain/wallet-key');

const FEES_NANO = 6_000_000n;

async function main([networkFile, keyFile, to]) {
  const { chain, networkId } = JSON.parse(readFileSync(networkFile, 'utf8'));
  const client = new ChainClient({ endpoint: chain[0].url });
  const signer = await loadWalletSigner(keyFile);
  const wallet = await SendingWallet.open({ client, signer, networkId, stateFile: `${keyFile}.in-flight` });
  await wallet.send([{ to: Address.parse(to), value: (await wallet.balance()) - FEES_NANO, bounce: false }]);
  console.log(`sent; ${await wallet.balance()} nanoTON are left`);
}

main(process.argv.slice(2));
