/** Where a guest's quotes come from. */
export interface Platform {
  /** `simulated` must be said wherever a person sees it. */
  readonly kind: 'tdx' | 'simulated';
  /** A quote over 64 bytes of report data, without padding. */
  quote(reportData: Uint8Array): Promise<Uint8Array>;
}
