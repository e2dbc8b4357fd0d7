// What the demo draws below its story: where the job is, price and grid, and the run beside it. On a terminal it is one block that
// is drawn again; elsewhere a line now and then, so that no screen stands still for long.

import { createLogUpdate } from 'log-update';
import { usd } from '../terminal/figures.ts';
import { wrap } from '../terminal/wrap.ts';
import { sparkline } from './sparkline.ts';

export interface Frame {
  readonly clock: string;
  readonly state: string;
  /** 0..1; null: nothing to measure. */
  readonly done: number | null;
  readonly priceUsdPerHour: readonly number[];
  readonly gramsPerKwh: readonly number[];
  readonly beside: string;
}

export interface Screen {
  tell(line: string): void;
  draw(frame: Frame): void;
  close(): void;
}

const WIDE = { columns: 100, bar: 28, spark: 24 } as const;
const NARROW = { bar: 18, spark: 13 } as const;
const QUIET_MS = 2500;

function lines(frame: Frame, columns: number): readonly string[] {
  const { bar: barWidth, spark } = columns >= WIDE.columns ? WIDE : NARROW;
  const last = (values: readonly number[]): number => values.at(-1) ?? Number.NaN;
  return [
    `${frame.clock}  ${bar(frame.done, barWidth)}  ${frame.state}`,
    `       spot ${sparkline(frame.priceUsdPerHour, spark)} ${price(last(frame.priceUsdPerHour))}  grid ${sparkline(frame.gramsPerKwh, spark)} ${last(frame.gramsPerKwh).toFixed(0)} g/kWh  (simulated)`,
    `       ${frame.beside}`,
    // A line that wraps would be drawn over what was told.
  ].map((line) => Array.from(line).slice(0, columns).join(''));
}

/** No spot anywhere: there is no best price. */
const price = (usdPerHour: number): string => (Number.isFinite(usdPerHour) ? `${usd(usdPerHour)}/h` : 'none     ');

function bar(done: number | null, width: number): string {
  const filled = done === null ? 0 : Math.round(Math.min(1, Math.max(0, done)) * width);
  return `${'█'.repeat(filled)}${'░'.repeat(width - filled)}`;
}

/** `stream` null: nothing is shown (--json). */
export function createScreen(stream: NodeJS.WriteStream | null): Screen {
  if (stream === null) return { tell: () => undefined, draw: () => undefined, close: () => undefined };
  if (stream.isTTY !== true) return plainScreen(stream);
  const block = createLogUpdate(stream);
  let shown: Frame | null = null;
  return {
    tell: (line) => {
      block.clear();
      stream.write(`${wrap(line, stream.columns)}\n`);
      if (shown !== null) block(lines(shown, stream.columns).join('\n'));
    },
    draw: (frame) => {
      shown = frame;
      block(lines(frame, stream.columns).join('\n'));
    },
    close: () => {
      block.clear();
      block.done();
      shown = null;
    },
  };
}

function plainScreen(stream: NodeJS.WriteStream): Screen {
  let toldAtMs = performance.now();
  const write = (line: string): void => {
    toldAtMs = performance.now();
    stream.write(`${line}\n`);
  };
  return {
    tell: write,
    draw: (frame) => {
      if (performance.now() - toldAtMs > QUIET_MS)
        write(`       ${frame.clock}  ${frame.state}${frame.done === null ? '' : ` (${Math.round(frame.done * 100)} %)`}`);
    },
    close: () => undefined,
  };
}
