/**
 * Whether a release such as `6.1.0-18-amd64` is before another one, by its first two numbers. False for what is no release: what cannot
 * be compared is not called old.
 */
export function isKernelOlderThan(release: string, wanted: string): boolean {
  const found = numbersOf(release);
  const limit = numbersOf(wanted);
  if (found === null || limit === null) return false;
  return found[0] < limit[0] || (found[0] === limit[0] && found[1] < limit[1]);
}

function numbersOf(release: string): readonly [number, number] | null {
  const match = /^([0-9]{1,4})\.([0-9]{1,4})(?![0-9])/.exec(release);
  return match === null ? null : [Number(match[1]), Number(match[2])];
}
