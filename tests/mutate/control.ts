import type { Sources } from './contract-sources';

/** More than what the waste uses. */
const SLACK = 1_000;

/**
 * The same contracts at another price: each receiver first does nothing, for 18 gas, and the gas constants leave room for it. Every
 * judge must find them as good as the real ones: a test that sees the difference sees every mutant, whatever it does.
 */
export function wasteful(sources: Sources): Sources {
  const receiver = /^( +receive\([^)]*\) \{\n)/gm;
  return new Map(
    [...sources].map(([file, text]) => {
      const constants = text.replace(/^(const Gas\w+: Int = )(\d+);/gm, (_, name: string, gas: string) => `${name}${Number(gas) + SLACK};`);
      const wasted = constants.replace(receiver, '$1        waste();\n');
      return [file, file === 'vm.tact' ? `${wasted}\nasm fun waste() { NOP }\n` : wasted];
    }),
  );
}
