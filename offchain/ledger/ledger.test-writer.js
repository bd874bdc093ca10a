// Writes rows one by one and tells its parent each that is acknowledged, until it is killed.
require('ts-node').register({ transpileOnly: true, project: require('node:path').join(__dirname, '../../tsconfig.json') });
const { z } = require('zod');
const { Ledger, numberKey } = require('./ledger.ts');

(async () => {
  const ledger = Ledger.open(process.argv[2]);
  const rows = ledger.table('rows', z.string());
  for (let number = 1; ; number++) {
    await ledger.change(() => rows.put(numberKey(BigInt(number)), 'x'.repeat(100)));
    process.send(number);
  }
})();
