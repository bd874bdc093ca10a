/* A process for the tests of lifecycle.ts and child.ts: it behaves as its config says. */
import { join } from 'node:path';
import { z } from 'zod';
import { ConfigError } from '../core/errors';
import { startChild } from './child';
import { processConfigShape } from './config';
import { runProcess } from './lifecycle';

const schema = z.strictObject({
  ...processConfigShape,
  behaviour: z.enum([
    'serve',
    'mistake',
    'break',
    'break later',
    'fail later',
    'start for ever',
    'stop for ever',
    'stop badly',
    'exit',
    'have a child',
  ]),
  childConfig: z.string().default(''),
});

runProcess({
  name: 'scripted',
  config: schema,
  stopTimeoutMs: 300,
  start: async ({ config, log, report, fail, stopping }) => {
    const serving = { details: { pid: process.pid }, stop: async () => log.info('stopped in good order') };
    report('starting', { behaviour: config.behaviour });
    switch (config.behaviour) {
      case 'serve':
        return serving;
      case 'mistake':
        throw new ConfigError('port_unusable', 'port 1 is in use');
      case 'break':
        throw new Error('something\n  broke');
      case 'break later':
        setImmediate(() => {
          throw new Error('broke later');
        });
        return serving;
      case 'fail later':
        setImmediate(() => fail(new Error('cannot go on')));
        return serving;
      case 'start for ever':
        await new Promise((_, refuse) => stopping.addEventListener('abort', () => refuse(stopping.reason)));
        return serving;
      case 'stop for ever':
        return { ...serving, stop: () => new Promise(() => setInterval(() => {}, 1000)) };
      case 'stop badly':
        return { ...serving, stop: () => Promise.reject(new Error('stuck')) };
      case 'exit':
        process.stderr.write('ReferenceError: nothing is defined\n', () => process.exit(7));
        return new Promise(() => {});
      case 'have a child': {
        const child = await startChild({ name: 'child', script: join(__dirname, 'scripted.test-process'), configFile: config.childConfig });
        return { ...serving, details: { childPid: child.pid }, stop: () => child.stop().then(() => {}) };
      }
    }
  },
});
