// The table: expected cost to the end, by time left, slack, state of every zone, and what runs. Computed backwards from the
// deadline (a semi-Markov decision process with a finite horizon).
//
// Slack is a coordinate (and not work left): computing uses none, waiting for x costs x, a start costs its overhead. A tight
// deadline thus has a narrow table. Work left is time left less slack; with none left the cost is 0.
//
// Planes: 0 nothing runs, 1 on demand runs, 2+z spot of zone z runs. Only the layers that a decision can ask for are kept.
// These loops are most of what a decision costs: indexed reads are asserted to be there (`as number`) and not checked.

import { crowdFactor, LOSS, RETURN } from './hazard.ts';
import { type Phases, phaseStep } from './phases.ts';

export interface TableQuestion {
  readonly phases: Phases;
  readonly pools: readonly { readonly lossFactor: number; readonly returnFactor: number }[];
  /** USD for an hour of running, `hours` before the deadline: of each pool, and on demand. */
  readonly poolUsdPerHour: readonly ((hoursLeft: number) => number)[];
  readonly onDemandUsdPerHour: (hoursLeft: number) => number;
  /** A start, as expected and at worst. */
  readonly startHours: number;
  readonly startMaxHours: number;
  readonly launchFailureProbability: number;
  /** Slack gained for each hour of running: work goes faster than the bound that slack is counted with. */
  readonly drift: number;
  /** Waiting is offered although a settled zone has spot: prices or the grid are expected to change. */
  readonly mayShift: boolean;
  /** Layers are asked for between these two times left, and slack up to `maxSlackHours`. */
  readonly fromHours: number;
  readonly toHours: number;
  readonly maxSlackHours: number;
  readonly tickHours: number;
  /** About how many (layer, slack) cells: the resolution. */
  readonly cells: number;
}

export interface Table {
  readonly stepHours: number;
  readonly states: number;
  readonly slackCells: number;
  /** Layer number of `layers[0]`; layer m is m steps before the deadline. */
  readonly firstLayer: number;
  /** Each: [plane][state][slack]. */
  readonly layers: readonly Float32Array[];
  readonly bytes: number;
}

export function buildTable(question: TableQuestion): Table {
  const { tickHours, toHours, maxSlackHours, cells } = question;
  const ticks = Math.max(1, Math.ceil(Math.sqrt((toHours * maxSlackHours) / cells) / tickHours - 1e-9));
  const step = ticks * tickHours;
  const slackCells = Math.ceil(maxSlackHours / step) + 2;
  const layers = Math.ceil(toHours / step) + 1;
  const firstLayer = Math.max(0, Math.floor((question.fromHours - tickHours) / step));
  const sweep = new Sweep(question, step, slackCells);
  const kept: Float32Array[] = [];
  if (firstLayer === 0) kept.push(sweep.snapshot());
  for (let m = 1; m <= layers; m++) {
    sweep.advance(m);
    if (m >= firstLayer) kept.push(sweep.snapshot());
  }
  const bytes = kept.reduce((sum, layer) => sum + layer.byteLength, 0);
  return { stepHours: step, states: sweep.states, slackCells, firstLayer, layers: kept, bytes };
}

/** The joint kernel, one zone at a time: where state x goes when zone z grows older or changes over, and how likely. */
interface Kernel {
  readonly grown: Int32Array;
  readonly flipped: Int32Array;
  readonly stay: Float64Array;
  readonly grow: Float64Array;
  readonly flip: Float64Array;
  /** States in which the zone is up; has just gone down. */
  readonly up: Int32Array;
  readonly justDown: Int32Array;
}

/** One buffer of values and its planes. */
interface Buffer {
  readonly all: Float64Array;
  readonly planes: readonly Float64Array[];
}

class Sweep {
  readonly states: number;
  private readonly q: TableQuestion;
  private readonly step: number;
  private readonly n: number;
  private readonly kernels: readonly Kernel[];
  private readonly everything: Int32Array;
  private readonly mayWait: Uint8Array;
  /** [zone][state]: that zone has spot in that state. */
  private readonly isUp: readonly Uint8Array[];
  private readonly penalty: Float64Array;
  // Cells past the work left are never written and stay 0, in both buffers.
  private value: Buffer;
  private next: Buffer;
  private readonly expected: Buffer;
  private readonly scratch: readonly [Float64Array, Float64Array, Float64Array, Float64Array];
  private readonly idleAtZeroUsd: number;

  constructor(question: TableQuestion, step: number, slackCells: number) {
    this.q = question;
    this.step = step;
    this.n = slackCells;
    const pools = question.pools.length;
    this.states = question.phases.count ** pools;
    const plane = this.states * slackCells;
    this.kernels = kernelsOf(question, step, this.states);
    this.everything = Int32Array.from({ length: this.states }, (_, x) => x);
    this.mayWait = waitingOffered(question, this.states);
    this.isUp = this.kernels.map((kernel) => {
      const up = new Uint8Array(this.states);
      for (const x of kernel.up) up[x] = 1;
      return up;
    });
    this.value = bufferOf(2 + pools, plane);
    this.next = bufferOf(2 + pools, plane);
    this.expected = bufferOf(2 + pools, plane);
    const scratch = (): Float64Array => new Float64Array(pools > 1 ? plane : 0);
    this.scratch = [scratch(), scratch(), scratch(), scratch()];
    const scaleUsd = question.onDemandUsdPerHour(0);
    this.idleAtZeroUsd = 330 * scaleUsd;
    this.penalty = Float64Array.from({ length: slackCells }, (_, i) => 10 * scaleUsd * Math.max(0, question.startMaxHours - i * step));
  }

  snapshot(): Float32Array {
    return Float32Array.from(this.value.all);
  }

  /** From layer m-1 to layer m. */
  advance(m: number): void {
    const width = Math.min(this.n, m + 1);
    this.expect(width);
    const withWork = Math.min(this.n, m);
    const hoursLeft = m * this.step;
    const onDemandUsd = this.q.onDemandUsdPerHour(hoursLeft) * this.step;
    const spotUsd = this.q.poolUsdPerHour.map((usd) => usd(hoursLeft) * this.step);
    for (let x = 0; x < this.states; x++) this.choose(x, width, withWork, onDemandUsd, spotUsd);
    [this.value, this.next] = [this.next, this.value];
  }

  /** Expected values one step later: all zones change; of what runs on spot, its own zone may be lost. */
  private expect(width: number): void {
    const { kernels, value, expected, n } = this;
    const zones = kernels.length;
    if (zones === 0) {
      expected.all.set(value.all);
      return;
    }
    const [a, b, c, d] = this.scratch;
    for (let p = 0; p < 2; p++) {
      let from = value.planes[p] as Float64Array;
      for (let z = 0; z < zones; z++) {
        const to = z === zones - 1 ? (expected.planes[p] as Float64Array) : z % 2 === 0 ? a : b;
        mix(kernels[z] as Kernel, this.everything, from, from, to, n, width);
        from = to;
      }
    }
    for (let z = 0; z < zones; z++) {
      const own = kernels[z] as Kernel;
      let running = value.planes[2 + z] as Float64Array;
      let lost = value.planes[0] as Float64Array;
      let turn = false;
      for (let y = 0; y < zones; y++) {
        if (y === z) continue;
        const other = kernels[y] as Kernel;
        const toRunning = turn ? a : b;
        const toLost = turn ? c : d;
        mix(other, own.up, running, running, toRunning, n, width);
        mix(other, own.justDown, lost, lost, toLost, n, width);
        running = toRunning;
        lost = toLost;
        turn = !turn;
      }
      mix(own, own.up, running, lost, expected.planes[2 + z] as Float64Array, n, width);
    }
  }

  /** The cheapest of what may be done, for every slack at once. */
  private choose(x: number, width: number, withWork: number, onDemandUsd: number, spotUsd: readonly number[]): void {
    const { n, penalty, kernels } = this;
    const { launchFailureProbability: fails, drift } = this.q;
    const base = x * n;
    const startCells = this.q.startHours / this.step - drift;
    const best = this.next.planes[0] as Float64Array;
    const waited = this.expected.planes[0] as Float64Array;
    shift(this.expected.planes[1] as Float64Array, best, base, startCells, width, withWork);
    for (let i = 0; i < withWork; i++) best[base + i] = (best[base + i] as number) + onDemandUsd + (penalty[i] as number);
    if (this.mayWait[x] === 1) {
      best[base] = Math.min(best[base] as number, this.idleAtZeroUsd);
      for (let i = 1; i < withWork; i++) {
        const wait = waited[base + i - 1] as number;
        if (wait < (best[base + i] as number)) best[base + i] = wait;
      }
    }
    for (let z = 0; z < kernels.length; z++) {
      if ((this.isUp[z] as Uint8Array)[x] === 0) continue;
      const usd = spotUsd[z] as number;
      const started = this.next.planes[2 + z] as Float64Array;
      shift(this.expected.planes[2 + z] as Float64Array, started, base, startCells, width, withWork);
      for (let i = 0; i < withWork; i++) {
        let cost = usd + (started[base + i] as number) + (penalty[i] as number);
        if (fails > 0) cost += fails * ((i > 0 ? (waited[base + i - 1] as number) : this.idleAtZeroUsd) - cost);
        if (cost < (best[base + i] as number)) best[base + i] = cost;
      }
    }
    for (let p = 1; p < 2 + kernels.length; p++) {
      if (p > 1 && (this.isUp[p - 2] as Uint8Array)[x] === 0) continue;
      const usd = p === 1 ? onDemandUsd : (spotUsd[p - 2] as number);
      const to = this.next.planes[p] as Float64Array;
      const from = this.expected.planes[p] as Float64Array;
      if (drift === 0) for (let i = 0; i < withWork; i++) to[base + i] = Math.min(usd + (from[base + i] as number), best[base + i] as number);
      else {
        shift(from, to, base, -drift, width, withWork);
        for (let i = 0; i < withWork; i++) to[base + i] = Math.min(usd + (to[base + i] as number), best[base + i] as number);
      }
    }
  }
}

function bufferOf(planes: number, size: number): Buffer {
  const all = new Float64Array(planes * size);
  return { all, planes: Array.from({ length: planes }, (_, p) => all.subarray(p * size, (p + 1) * size)) };
}

/** to[x] = stay * from[x] + grow * from[x grown] + flip * flippedFrom[x flipped], for the given states. */
function mix(kernel: Kernel, rows: Int32Array, from: Float64Array, flippedFrom: Float64Array, to: Float64Array, n: number, width: number): void {
  for (let r = 0; r < rows.length; r++) {
    const x = rows[r] as number;
    const stay = kernel.stay[x] as number;
    const grow = kernel.grow[x] as number;
    const flip = kernel.flip[x] as number;
    const s = x * n;
    const g = (kernel.grown[x] as number) * n;
    const f = (kernel.flipped[x] as number) * n;
    if (grow === 0) for (let i = 0; i < width; i++) to[s + i] = stay * (from[s + i] as number) + flip * (flippedFrom[f + i] as number);
    else
      for (let i = 0; i < width; i++)
        to[s + i] = stay * (from[s + i] as number) + grow * (from[g + i] as number) + flip * (flippedFrom[f + i] as number);
  }
}

/** to[i] = from at slack i - cells, linearly between cells; below 0 as at 0. */
function shift(from: Float64Array, to: Float64Array, base: number, cells: number, width: number, withWork: number): void {
  const whole = Math.ceil(cells);
  const part = whole - cells;
  const first = Math.min(withWork, Math.max(0, whole));
  const inside = Math.min(withWork, width - 1 + whole);
  const lowest = from[base] as number;
  for (let i = 0; i < first; i++) to[base + i] = lowest;
  for (let i = first; i < inside; i++) {
    const low = from[base + i - whole] as number;
    to[base + i] = low + ((from[base + i - whole + 1] as number) - low) * part;
  }
  for (let i = Math.max(first, inside); i < withWork; i++) to[base + i] = from[base + width - 1] as number;
}

/** Not offered where a zone with spot is past its first phase, else "wait until one grows old" has a false value. */
function waitingOffered(question: TableQuestion, states: number): Uint8Array {
  const { count, upCentres } = question.phases;
  return Uint8Array.from({ length: states }, (_, x) => {
    if (question.mayShift) return 1;
    for (let z = 0, rest = x; z < question.pools.length; z++, rest = Math.floor(rest / count)) {
      const phase = rest % count;
      if (phase < upCentres.length && phase >= Math.min(1, upCentres.length - 1)) return 0;
    }
    return 1;
  });
}

function kernelsOf(question: TableQuestion, stepHours: number, states: number): readonly Kernel[] {
  const { phases, pools } = question;
  const { count } = phases;
  const ups = phases.upCentres.length;
  const upCount = Int32Array.from({ length: states }, (_, x) => {
    let up = 0;
    for (let z = 0, rest = x; z < pools.length; z++, rest = Math.floor(rest / count)) if (rest % count < ups) up += 1;
    return up;
  });
  return pools.map((pool, z) => {
    const weight = count ** z;
    const kernel = {
      grown: new Int32Array(states),
      flipped: new Int32Array(states),
      stay: new Float64Array(states),
      grow: new Float64Array(states),
      flip: new Float64Array(states),
    };
    const up: number[] = [];
    const justDown: number[] = [];
    for (let x = 0; x < states; x++) {
      const state = Math.floor(x / weight) % count;
      const isUp = state < ups;
      if (isUp) up.push(x);
      else if (state === ups) justDown.push(x);
      const others = (upCount[x] as number) - (isUp ? 1 : 0);
      const factor = (isUp ? pool.lossFactor : pool.returnFactor) * crowdFactor(isUp ? LOSS : RETURN, others, pools.length - 1);
      const step = phaseStep(phases, state, factor, stepHours);
      kernel.stay[x] = step.stay;
      kernel.grow[x] = step.grow;
      kernel.flip[x] = step.flip;
      kernel.grown[x] = step.grow > 0 ? x + weight : x;
      kernel.flipped[x] = x + ((isUp ? ups : 0) - state) * weight;
    }
    return { ...kernel, up: Int32Array.from(up), justDown: Int32Array.from(justDown) };
  });
}
