import { converge, PART_STATUSES, TCB_STATUSES, type TcbStatus } from './tcb-status';

describe('a TCB status', () => {
  // Source: Intel TDX DCAP Quote Verification Library, convergence tables.
  const OUT_OF_DATE: Readonly<Record<TcbStatus, TcbStatus>> = {
    UpToDate: 'OutOfDate',
    SWHardeningNeeded: 'OutOfDate',
    ConfigurationNeeded: 'OutOfDateConfigurationNeeded',
    ConfigurationAndSWHardeningNeeded: 'OutOfDateConfigurationNeeded',
    OutOfDate: 'OutOfDate',
    OutOfDateConfigurationNeeded: 'OutOfDateConfigurationNeeded',
    Revoked: 'Revoked',
  };

  test.each(TCB_STATUSES)('of %s converges with that of a part as Intel has it', (status) => {
    expect(converge(status, 'UpToDate')).toBe(status);
    expect(converge(status, 'OutOfDate')).toBe(OUT_OF_DATE[status]);
    expect(converge(status, 'Revoked')).toBe('Revoked');
  });

  test('never gets better by a part, and does not depend on the order of the parts', () => {
    for (const status of TCB_STATUSES) {
      for (const one of PART_STATUSES) {
        expect(TCB_STATUSES.indexOf(converge(status, one))).toBeGreaterThanOrEqual(TCB_STATUSES.indexOf(status));
        for (const other of PART_STATUSES) expect(converge(converge(status, one), other)).toBe(converge(converge(status, other), one));
      }
    }
  });
});
