// Money, carbon, counts and tables as text. Null: nobody knows (a feed is broken).

export function usd(value: number | null): string {
  if (value === null) return '$?';
  return `${value < 0 ? '-' : ''}$${Math.abs(value).toFixed(Math.abs(value) < 10 ? 3 : 2)}`;
}

export function grams(value: number | null): string {
  if (value === null) return '? g CO2e';
  return Math.abs(value) >= 1000 ? `${(value / 1000).toFixed(2)} kg CO2e` : `${value.toFixed(1)} g CO2e`;
}

export const percent = (part: number | null, whole: number): string => (part === null || whole === 0 ? '-' : `${Math.round((part / whole) * 100)} %`);

/** `1 job`, `3 jobs`. */
export const count = (n: number, what: string, many = `${what}s`): string => `${n} ${n === 1 ? what : many}`;

/** Columns as wide as their widest cell; the last one is not padded. */
export function table(rows: readonly (readonly string[])[]): string {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? '').length)));
  return rows.map((row) => row.map((cell, column) => (column === row.length - 1 ? cell : cell.padEnd(widths[column] ?? 0))).join('  ')).join('\n');
}
