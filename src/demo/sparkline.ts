// One line of block characters for a short series; NaN leaves a gap.

const BLOCKS = '▁▂▃▄▅▆▇█';

/** `width` characters at most: the newest values. A flat series is drawn in the middle. */
export function sparkline(values: readonly number[], width: number): string {
  const shown = values.slice(-width);
  const known = shown.filter((v) => Number.isFinite(v));
  const low = Math.min(...known);
  const span = Math.max(...known) - low;
  return shown
    .map((v) => {
      if (!Number.isFinite(v)) return ' ';
      const level = span === 0 ? 3 : Math.round(((v - low) / span) * (BLOCKS.length - 1));
      return BLOCKS.charAt(level);
    })
    .join('');
}
