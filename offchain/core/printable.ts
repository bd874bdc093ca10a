/**
 * Foreign text as a person may see it: printable ASCII on one line, everything else a question mark, since terminals obey; cut with three
 * dots behind `limit` characters.
 */
export function printable(text: string, limit: number): string {
  const cut = text.length > limit ? `${text.slice(0, limit)}...` : text;
  return cut.replace(/[^\x20-\x7e]/g, '?');
}
