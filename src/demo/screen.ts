// What the demo draws below its story: where the job is, price and grid, and the run beside it. On a terminal it is one block that
// is drawn again; elsewhere a line now and then, so that no screen stands still for long.

import { createLogUpdate } from 'log-update';
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

const BAR_WIDTH = 28;
const SPARK_WIDTH = 24;
const QUIET_MS = 2500;

function lines(frame: Frame): readonly string[] {
  const last = (values: readonly number[]): number => values.at(-1) ?? Number.NaN;
  return [
    `${frame.clock}  ${bar(frame.done)}  ${frame.state}`,
    `       spot   ${sparkline(frame.priceUsdPerHour, SPARK_WIDTH)} ${last(frame.priceUsdPerHour).toFixed(3)} $/h    grid ${sparkline(frame.gramsPerKwh, SPARK_WIDTH)} ${last(frame.gramsPerKwh).toFixed(0)} g/kWh  (simulated)`,
    `       beside ${frame.beside}`,
  ];
}

function bar(done: number | null): string {
  const filled = done === null ? 0 : Math.round(Math.min(1, Math.max(0, done)) * BAR_WIDTH);
  return `${'█'.repeat(filled)}${'░'.repeat(BAR_WIDTH - filled)}`;
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
      stream.write(`${line}\n`);
      if (shown !== null) block(lines(shown).join('\n'));
    },
    draw: (frame) => {
      shown = frame;
      block(lines(frame).join('\n'));
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
