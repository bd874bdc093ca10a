import type { Config } from '@ton/blueprint';

export const config: Config = {
  separateCompilables: true,
  recursiveWrappers: true,
  requestTimeout: 10_000,
};
