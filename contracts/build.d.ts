/** Compiles all contracts and writes wrappers/code.json when it changes. @throws Error with the compiler's message */
export function buildContracts(): Promise<Readonly<Record<string, { readonly hash: string; readonly boc: string }>>>;
