// The raw address of the W5 wallet behind a key file (64 hex digits, or the 24 words of a wallet) on a network.
//   node docs/examples/wallet-address.js network.json owner.seed
const { readFileSync } = require('node:fs');
const { walletContract } = require('../../dist/offchain/chain/wallet');
const { loadWalletSigner } = require('../../dist/offchain/chain/wallet-key');

async function main([networkFile, keyFile]) {
  const { networkId } = JSON.parse(readFileSync(networkFile, 'utf8'));
  const { publicKey } = await loadWalletSigner(keyFile);
  console.log(walletContract(publicKey, networkId).address.toRawString());
}

main(process.argv.slice(2));
