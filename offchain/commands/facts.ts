/** Unix seconds as a person reads and gives them. */
export function showTime(sec: number): string {
  return `${new Date(sec * 1000).toISOString().replace('.000Z', 'Z')} (${sec})`;
}

/** Name and value, one line each. */
export function factLines(facts: readonly (readonly [name: string, value: string])[]): readonly string[] {
  const width = Math.max(0, ...facts.map(([name]) => name.length));
  return facts.map(([name, value]) => `  ${name.padEnd(width)}  ${value}`);
}
