import compiled from '../wrappers/code.json';
import { codeHashOf, codeOf } from '../wrappers/contract-code';
import { GAS } from '../wrappers/minimum-value';
import { OPCODE, opcodeName } from '../wrappers/opcodes';
import { STATEMENT_TAG } from '../wrappers/statements';
import { constantsOf, sourceOf, withoutPrefix } from './sources';

/** `name#tag` of schema.tlb, the name in camelCase. */
function tagsOfSchema(): ReadonlyMap<string, number> {
  const tags = new Map<string, number>();
  for (const [, name, tag] of sourceOf('schema.tlb').matchAll(/^(\w+)#([0-9a-f]{8}) /gm)) {
    if (name !== undefined && tag !== undefined) {
      tags.set(
        name.replace(/_(\w)/g, (_, letter: string) => letter.toUpperCase()),
        Number.parseInt(tag, 16),
      );
    }
  }
  return tags;
}

describe('the schema', () => {
  const schema = tagsOfSchema();
  const inTact = constantsOf('messages.tact');

  test('gives every message the tag that contracts and wrappers use', () => {
    const messages = Object.assign({}, ...Object.values(OPCODE));
    const ofTact = [...inTact].filter(([name]) => name.startsWith('Op') && name !== 'OpComment');
    expect(Object.fromEntries(ofTact.map(([name, tag]) => [withoutPrefix(name, 'Op'), tag]))).toEqual(messages);
    for (const [name, tag] of Object.entries(messages)) expect([name, schema.get(name)]).toEqual([name, tag]);
  });

  test('gives every statement the tag that contracts and wrappers use', () => {
    for (const [name, tag] of Object.entries(STATEMENT_TAG)) expect([name, schema.get(name)]).toEqual([name, tag]);
    const rebuilt = [...sourceOf('statements.tact').matchAll(/tag(\w+)\(\): Builder \{ NEWC x\{([0-9a-f]{8})\} /g)];
    const ofContracts = rebuilt.map(([, name = '', tag = '']) => [withoutPrefix(name, ''), Number.parseInt(tag, 16)]);
    const { challenge: _, request: __, ...onChain } = STATEMENT_TAG;
    expect(Object.fromEntries(ofContracts)).toEqual(onChain);
  });

  test('has no tag twice, and none that nobody uses', () => {
    const used = [...Object.values(OPCODE).flatMap((messages) => Object.values(messages)), ...Object.values(STATEMENT_TAG), 0];
    expect([...schema.values()].sort()).toEqual([...used].sort());
    expect(new Set(used).size).toBe(used.length);
  });

  test('names the receiver in the upper bits of a tag, as an order to a channel is checked', () => {
    for (const tag of Object.values(OPCODE.client)) expect(tag >>> 8).toBe(inTact.get('ReceiverClient'));
    for (const tag of Object.values(OPCODE.worker)) expect(tag >>> 8).toBe(inTact.get('ReceiverWorker'));
    expect(opcodeName(OPCODE.client.operatorClientCharge)).toBe('operatorClientCharge');
    expect(opcodeName(0x12345678)).toBeUndefined();
  });
});

test('the gas of every message is the same in contracts/gas.tact and in wrappers/minimum-value.ts', () => {
  const inTact = [...constantsOf('gas.tact')].filter(([name]) => name.startsWith('Gas'));
  expect(Object.fromEntries(inTact.map(([name, gas]) => [withoutPrefix(name, 'Gas'), BigInt(gas)]))).toEqual(GAS);
});

describe('the compiled code', () => {
  test.each(['RootContract', 'ProxyContract', 'ClientContract', 'WorkerContract'] as const)(
    'of %s has the hash that goes with it',
    (name) => {
      expect(codeOf(name).hash().toString('hex')).toBe(compiled[name].hash);
      expect(codeHashOf(name)).toBe(compiled[name].hash);
    },
  );
});
