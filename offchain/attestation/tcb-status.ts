/**
 * What Intel says of a platform's TCB level, from good to bad.
 * Source: Intel PCS API v4, TCB info V3, `tcbStatus`.
 */
export const TCB_STATUSES = [
  'UpToDate',
  'SWHardeningNeeded',
  'ConfigurationNeeded',
  'ConfigurationAndSWHardeningNeeded',
  'OutOfDate',
  'OutOfDateConfigurationNeeded',
  'Revoked',
] as const;

export type TcbStatus = (typeof TCB_STATUSES)[number];

/** What Intel says of a part's level: the TDX module's, or the quoting enclave's. */
export const PART_STATUSES = ['UpToDate', 'OutOfDate', 'Revoked'] as const;

export type PartStatus = (typeof PART_STATUSES)[number];

/**
 * The status of a platform with one of its parts looked at, too: a part can make it worse, never better.
 * Source: Intel TDX DCAP Quote Verification Library, convergence of the TCB level's status with the TDX module's and with the
 * quoting enclave's (steps 4.1.2.4.17.4 and 4.1.2.4.17.5), which are the same table.
 */
export function converge(platform: TcbStatus, part: PartStatus): TcbStatus {
  if (platform === 'Revoked' || part === 'Revoked') return 'Revoked';
  if (part === 'UpToDate') return platform;
  switch (platform) {
    case 'UpToDate':
    case 'SWHardeningNeeded':
    case 'OutOfDate':
      return 'OutOfDate';
    case 'ConfigurationNeeded':
    case 'ConfigurationAndSWHardeningNeeded':
    case 'OutOfDateConfigurationNeeded':
      return 'OutOfDateConfigurationNeeded';
  }
}
