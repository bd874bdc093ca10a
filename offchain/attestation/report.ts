/** Checks of a bundle's bytes. */
export const BUNDLE_CHECKS = ['bundle-digest', 'bundle-structure'] as const;

/** Checks of a quote alone. */
export const QUOTE_CHECKS = [
  'quote-structure',
  'trust-root',
  'pck-chain',
  'qe-report',
  'attestation-key',
  'quote-signature',
  'td-debug',
  'td-attributes',
] as const;

/** Checks of collateral alone, under the quote's root. */
export const COLLATERAL_CHECKS = ['collateral-available', 'root-crl', 'pck-crl', 'tcb-info', 'qe-identity'] as const;

/** Checks of the quote's platform against proven collateral and policy. */
export const PLATFORM_CHECKS = [
  'collateral-age',
  'evaluation-number',
  'revocation',
  'platform-identity',
  'quoting-enclave',
  'tdx-module',
  'tcb-level',
  'advisories',
] as const;

/** Checks of claims against quote, offer, chain and allowlist. */
export const CLAIMS_CHECKS = [
  'claims-structure',
  'report-data',
  'claims-role',
  'claims-network',
  'claims-owner',
  'claims-model',
  'sealing-key',
  'receipt-key',
  'tls-key',
  'keys-not-expired',
  'issued-not-future',
  'block-known',
  'block-age',
  'block-not-future',
  'image-listed',
  'image-role',
  'image-active',
  'model-listed',
  'model-active',
  'model-proven',
] as const;

/** Checks of the GPUs, where claims name evidence of them or the policy requires it. */
export const GPU_CHECKS = [
  'gpu-evidence',
  'gpu-structure',
  'gpu-root',
  'gpu-chain',
  'gpu-identity',
  'gpu-signature',
  'gpu-nonce',
  'gpu-mode',
  'gpu-driver',
  'gpu-vbios',
  'gpu-appraisal',
  'gpu-manifests',
  'gpu-debug',
  'gpu-revocation',
] as const;

/** Every check of a report on evidence, in its order. */
export const EVIDENCE_CHECKS = [
  ...BUNDLE_CHECKS,
  ...QUOTE_CHECKS,
  ...COLLATERAL_CHECKS,
  ...PLATFORM_CHECKS,
  ...CLAIMS_CHECKS,
  ...GPU_CHECKS,
] as const;

/** Checks of a receipt, of the authorisation that it is for, and of what it commits to. */
export const RECEIPT_CHECKS = [
  'authorised-order',
  'authorisation-signature',
  'authorised-receipt',
  'receipt-signature',
  'receipt-not-future',
  'commitment',
  'committed-evidence',
  'committed-model',
  'committed-image',
  'attested-receipt-key',
  'committed-prompt',
  'committed-answer',
  'cost',
] as const;

export type CheckName = (typeof EVIDENCE_CHECKS)[number] | (typeof RECEIPT_CHECKS)[number];

/** One question, its answer, and what was compared. Every text is safe to show and to log. */
export interface Check {
  readonly name: CheckName;
  /** Whether the report needs this check to pass. */
  readonly required: boolean;
  readonly result: 'pass' | 'fail' | 'not-applicable';
  /** One line for people, lower case. */
  readonly reason: string;
  /** The values compared, where there are two; otherwise null. */
  readonly expected: string | null;
  readonly actual: string | null;
}

/** What a verification found. */
export interface Report {
  /** Whether every required check passed. */
  readonly ok: boolean;
  /** The evidence hangs on a development root: say SIMULATED wherever a person sees it. */
  readonly simulated: boolean;
  /** False where nothing proves which weights run: say MODEL NOT PROVEN wherever a person sees it. */
  readonly modelProven: boolean;
  readonly checks: readonly Check[];
}

/** Collects findings for a fixed list of checks. One that nobody recorded is a failure, and a failure stays one. */
export class CheckList<Name extends CheckName> {
  private readonly found = new Map<CheckName, Check>();

  constructor(private readonly names: readonly Name[]) {}

  pass(name: Name, reason: string): void {
    this.record({ name, required: true, result: 'pass', reason, expected: null, actual: null });
  }

  fail(name: Name, reason: string, compared: { readonly expected: string; readonly actual: string } | null = null): void {
    this.record({ name, required: true, result: 'fail', reason, expected: compared?.expected ?? null, actual: compared?.actual ?? null });
  }

  /** Passes or fails with what was compared. */
  decide(name: Name, passes: boolean, reasons: { readonly pass: string; readonly fail: string }, expected: string, actual: string): void {
    const result = passes ? 'pass' : 'fail';
    this.record({ name, required: true, result, reason: reasons[result], expected, actual });
  }

  notApplicable(name: Name, reason: string): void {
    this.record({ name, required: false, result: 'not-applicable', reason, expected: null, actual: null });
  }

  /** Whether all of these checks were recorded and none of them failed. */
  holds(...names: readonly Name[]): boolean {
    return names.every((name) => this.found.has(name) && this.found.get(name)?.result !== 'fail');
  }

  /** Every check of the list, in its order. */
  all(): readonly Check[] {
    return this.names.map((name) => this.found.get(name) ?? { ...NOT_RUN, name });
  }

  private record(check: Check): void {
    if (this.found.get(check.name)?.result !== 'fail') this.found.set(check.name, check);
  }
}

const NOT_RUN = { required: true, result: 'fail', reason: 'could not run after an earlier failure', expected: null, actual: null } as const;

/** A report over checks. `ok` only if there are required checks and every one of them passed. */
export function toReport(checks: readonly Check[], facts: { readonly simulated: boolean; readonly modelProven: boolean }): Report {
  const required = checks.filter((check) => check.required);
  return { ok: required.length > 0 && required.every((check) => check.result === 'pass'), ...facts, checks };
}

/** Whether a check came to a finding of its own, and did not fail for another's failure alone. */
export function hasRun({ reason }: Check): boolean {
  return reason !== NOT_RUN.reason;
}

/** The required checks that did not pass, those that could not run for another's failure behind the others: what an error message names. */
export function failedChecks({ checks }: Pick<Report, 'checks'>): readonly Check[] {
  const failed = checks.filter((check) => check.required && check.result !== 'pass');
  return [...failed.filter(hasRun), ...failed.filter((check) => !hasRun(check))];
}
