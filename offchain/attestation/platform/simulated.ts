/**
 * platform: makes evidence, in the guest. It may use Node and the machine; verification never imports it.
 * What `simulated` makes has every form of the real thing and none of its worth: SIMULATED must stand wherever a person sees it.
 */
import { generateKeyPairSync } from 'node:crypto';
import { ConfigError } from '../../core/errors';
import type { Measurements } from '../evidence';
import { readDevelopmentFile, readDevelopmentKey } from './development-files';
import type { Platform } from './platform';
import { SIMULATED_TD, writeQuote } from './quote-writer';
import { extended } from './runtime-register';

/** What a simulated machine runs; 48 bytes each. */
export interface SimulatedMachine {
  /** `measureFiles` over the built guest. */
  readonly mrTd: Uint8Array;
  /** SHA-384 of the image's own fixed configuration. */
  readonly configDigest: Uint8Array;
}

/**
 * The measurements of a machine before it runs, so that a network can list its image hash: RTMR3 is the configuration's digest
 * extended into zeros, the other runtime registers are zeros.
 *
 * @throws ConfigError bad_measurement
 */
export function simulatedMeasurements(machine: SimulatedMachine): Measurements {
  for (const value of [machine.mrTd, machine.configDigest]) {
    if (value.length !== 48) throw new ConfigError('bad_measurement', `measurement of ${value.length} bytes, expected 48`);
  }
  const zeros = new Uint8Array(48);
  return { mrTd: machine.mrTd, rtmr: [zeros, zeros, zeros, extended(zeros, machine.configDigest)] };
}

/**
 * The simulated platform of a folder that `createDevelopmentRoot` made: quotes of version 4, valid to the last byte, under that root.
 *
 * @throws ConfigError bad_development_root, bad_measurement
 */
export async function openSimulatedPlatform(source: SimulatedMachine & { readonly folder: string }): Promise<Platform> {
  const measurements = simulatedMeasurements(source);
  const [pckChain, pckKey] = await Promise.all([
    readDevelopmentFile(source.folder, 'pckChain'),
    readDevelopmentKey(source.folder, 'pckKey'),
  ]);
  const { privateKey: attestationKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return {
    kind: 'simulated',
    quote: async (reportData) => {
      if (reportData.length !== 64) throw new ConfigError('bad_measurement', `report data of ${reportData.length} bytes, expected 64`);
      return writeQuote({ ...SIMULATED_TD, ...measurements, reportData }, { pckKey, pckChain, attestationKey });
    },
  };
}
