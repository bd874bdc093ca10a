/**
 * The guest on the simulated platform. A guest on TDX never loads this file, nor what it imports: `open-guest.ts` does when its config
 * says simulated, and nothing else that runs beside real hardware.
 */
import { imageHashOf } from '../attestation/evidence';
import { measureFiles } from '../attestation/platform/measure-files';
import type { Platform } from '../attestation/platform/platform';
import { openSimulatedPlatform, type SimulatedMachine, simulatedMeasurements } from '../attestation/platform/simulated';
import { nodeCrypto } from '../runtime/node-crypto';
import { guestFiles, imageConfigDigest } from './guest-image';

/** The machine that the simulated platform simulates. @throws ConfigError bad_measurement */
export async function guestMachine(): Promise<SimulatedMachine> {
  const { folder, paths } = guestFiles();
  return { mrTd: await measureFiles(folder, paths), configDigest: imageConfigDigest() };
}

/** The image hash of a guest on the simulated platform, before one runs: what a local network's allowlist holds. Lower-case hex. */
export async function simulatedImageHash(): Promise<string> {
  return imageHashOf(simulatedMeasurements(await guestMachine()), nodeCrypto);
}

/** The platform of this guest, with the development root in `folder`. @throws ConfigError bad_development_root, bad_measurement */
export async function openSimulatedGuest(folder: string): Promise<Platform> {
  return openSimulatedPlatform({ ...(await guestMachine()), folder });
}
