import { randomBytes } from 'node:crypto';
import { fromHex } from '../../core/bytes';
import { DER_TAG } from '../der';
import { derBoolean, derElement, derInteger, derOctets, derOid, derSequence } from '../der-writer';
import { SGX_EXTENSION } from '../sgx-extension';
import { toExtension } from './development-certificates';
import { SIMULATED_CPU_SVN } from './quote-writer';

/** What a simulated platform's certificate says of it. */
export interface SimulatedPlatform {
  /** 6 bytes, lower-case hex. */
  readonly fmspc: string;
  /** 2 bytes, lower-case hex. */
  readonly pceId: string;
  readonly pceSvn: number;
  /** Security versions of the 16 SGX TCB components. */
  readonly cpuSvn: Uint8Array;
}

export const SIMULATED_PLATFORM: SimulatedPlatform = {
  fmspc: '0d0e0f000000',
  pceId: '0000',
  pceSvn: 13,
  cpuSvn: SIMULATED_CPU_SVN,
};

/**
 * The extension of a platform's certificate.
 * Source: Intel SGX PCK Certificate and CRL Profile Specification, section 1.3.5: 1 PPID, 2 TCB (1-16 components, 17 PCE SVN,
 * 18 CPU SVN), 3 PCE id, 4 FMSPC, 5 SGX type (1: scalable), 6 platform instance id, 7 configuration (dynamic, cached keys, SMT).
 */
export function writeSgxExtension(platform: SimulatedPlatform = SIMULATED_PLATFORM): Uint8Array {
  const field = (path: string, value: Uint8Array) => derSequence(derOid(`${SGX_EXTENSION}.${path}`), value);
  const components = Array.from(platform.cpuSvn, (svn, i) => field(`2.${i + 1}`, derInteger(svn)));
  const value = derSequence(
    field('1', derOctets(randomBytes(16))),
    field('2', derSequence(...components, field('2.17', derInteger(platform.pceSvn)), field('2.18', derOctets(platform.cpuSvn)))),
    field('3', derOctets(fromHex(platform.pceId, 2))),
    field('4', derOctets(fromHex(platform.fmspc, 6))),
    field('5', derElement(DER_TAG.enumerated, Uint8Array.of(1))),
    field('6', derOctets(randomBytes(16))),
    field('7', derSequence(field('7.1', derBoolean(true)), field('7.2', derBoolean(false)), field('7.3', derBoolean(true)))),
  );
  return toExtension(SGX_EXTENSION, false, value);
}
