import type { Config } from 'jest';

/** Type checking is `npm run typecheck`, a step of its own: the tests only translate (tsconfig.json has isolatedModules). */
const translate: Config['transform'] = { '^.+\\.ts$': ['ts-jest', { diagnostics: false }] };

/** How long a test may hang on a busy machine before it is given up; no test asserts a time. */
const PATIENCE_MS = 180_000;

const config: Config = {
  testTimeout: PATIENCE_MS,
  projects: [
    {
      displayName: 'contracts',
      testEnvironment: 'node',
      testMatch: ['<rootDir>/tests/**/*.spec.ts'],
      globalSetup: '<rootDir>/tests/setup.ts',
      setupFiles: ['<rootDir>/tests/native-crypto.ts'],
      transform: translate,
    },
    {
      displayName: 'offchain',
      testEnvironment: 'node',
      testMatch: ['<rootDir>/offchain/**/*.test.ts'],
      transform: translate,
    },
    {
      // Needs a browser: `npm run test:browser`.
      displayName: 'browser',
      testEnvironment: 'node',
      testMatch: ['<rootDir>/offchain/**/*.browser.ts'],
      transform: translate,
    },
    {
      displayName: 'e2e',
      testEnvironment: 'node',
      testMatch: ['<rootDir>/e2e/**/*.test.ts'],
      globalSetup: '<rootDir>/e2e/build.ts',
      transform: translate,
    },
  ],
};

export default config;
