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

class Sweep {
  readonly states: number;
  private readonly q: TableQuestion;
  private readonly step: number;
  private readonly n: number;
  private readonly plane: number;
  private readonly kernels: readonly Kernel[];
  private readonly everything: Int32Array;
  private readonly mayWait: Uint8Array;
  private readonly penalty: Float64Array;
  private value: Float64Array;
  private next: Float64Array;
  private readonly expected: Float64Array;
  private readonly scratch: readonly [Float64Array, Float64Array, Float64Array, Float64Array];
  private readonly shifted: Float64Array;
  private readonly idleAtZeroUsd: number;

  constructor(question: TableQuestion, step: number, slackCells: number) {
    this.q = question;
    this.step = step;
    this.n = slackCells;
    const pools = question.pools.length;
    this.states = question.phases.count ** pools;
    this.plane = this.states * slackCells;
    this.kernels = kernelsOf(question, step, this.states);
    this.everything = Int32Array.from({ length: this.states }, (_, x) => x);
    this.mayWait = waitingOffered(question, this.states);
    const size = (2 + pools) * this.plane;
    this.value = new Float64Array(size);
    this.next = new Float64Array(size);
    this.expected = new Float64Array(size);
    this.scratch = [0, 1, 2, 3].map(() => new Float64Array(pools > 1 ? this.plane : 0)) as [Float64Array, Float64Array, Float64Array, Float64Array];
    this.shifted = new Float64Array(slackCells);
    const scaleUsd = question.onDemandUsdPerHour(0);
    this.idleAtZeroUsd = 330 * scaleUsd;
    this.penalty = Float64Array.from({ length: slackCells }, (_, i) => 10 * scaleUsd * Math.max(0, question.startMaxHours - i * step));
  }

  snapshot(): Float32Array {
    return Float32Array.from(this.value);
  }

  /** From layer m-1 to layer m. */
  advance(m: number): void {
    const width = Math.min(this.n, m + 1);
    this.expect(width);
    const withWork = Math.min(this.n, m);
    const hoursLeft = m * this.step;
    const onDemandUsd = this.q.onDemandUsdPerHour(hoursLeft) * this.step;
    const spotUsd = this.q.poolUsdPerHour.map((usd) => usd(hoursLeft) * this.step);
    this.next.fill(0);
    for (let x = 0; x < this.states; x++) this.choose(x, width, withWork, onDemandUsd, spotUsd);
    [this.value, this.next] = [this.next, this.value];
  }

  /** Expected values one step later: all zones change; of what runs on spot, its own zone may be lost. */
  private expect(width: number): void {
    const { kernels, value, expected, plane } = this;
    const zones = kernels.length;
    if (zones === 0) {
      expected.set(value);
      return;
    }
    const [a, b, c, d] = this.scratch;
    for (let p = 0; p < 2; p++) {
      let from = value.subarray(p * plane, (p + 1) * plane);
      for (let z = 0; z < zones; z++) {
        const to = z === zones - 1 ? expected.subarray(p * plane, (p + 1) * plane) : z % 2 === 0 ? a : b;
        this.apply(kernels[z] as Kernel, this.everything, from, to, width);
        from = to;
      }
    }
    for (let z = 0; z < zones; z++) {
      const own = kernels[z] as Kernel;
      let running = value.subarray((2 + z) * plane, (3 + z) * plane);
      let lost = value.subarray(0, plane);
      let turn = false;
      for (let y = 0; y < zones; y++) {
        if (y === z) continue;
        const other = kernels[y] as Kernel;
        const [toRunning, toLost] = turn ? [a, c] : [b, d];
        this.apply(other, own.up, running, toRunning, width);
        this.apply(other, own.justDown, lost, toLost, width);
        running = toRunning;
        lost = toLost;
        turn = !turn;
      }
      this.applyOwn(own, running, lost, expected.subarray((2 + z) * plane, (3 + z) * plane), width);
    }
  }

  private apply(kernel: Kernel, rows: Int32Array, from: Float64Array, to: Float64Array, width: number): void {
    for (let r = 0; r < rows.length; r++) {
      const x = rows[r] as number;
      this.mix(kernel, x, from, from, to, width);
    }
  }

  private applyOwn(kernel: Kernel, running: Float64Array, lost: Float64Array, to: Float64Array, width: number): void {
    for (let r = 0; r < kernel.up.length; r++) {
      const x = kernel.up[r] as number;
      this.mix(kernel, x, running, lost, to, width);
    }
  }

  private mix(kernel: Kernel, x: number, from: Float64Array, flippedFrom: Float64Array, to: Float64Array, width: number): void {
    const n = this.n;
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

  /** The cheapest of what may be done, for every slack at once. */
  private choose(x: number, width: number, withWork: number, onDemandUsd: number, spotUsd: readonly number[]): void {
    const { next, expected, plane, n, kernels, shifted, penalty } = this;
    const { launchFailureProbability: fails, drift } = this.q;
    const idle = x * n;
    const onDemand = plane + x * n;
    const waits = this.mayWait[x] === 1;
    this.launched(onDemand, width, withWork);
    for (let i = 0; i < withWork; i++) {
      const bought = onDemandUsd + (shifted[i] as number) + (penalty[i] as number);
      const waited = i > 0 ? (expected[idle + i - 1] as number) : this.idleAtZeroUsd;
      next[idle + i] = waits && waited < bought ? waited : bought;
    }
    for (let z = 0; z < kernels.length; z++) {
      if (!this.isUp(x, z)) continue;
      const usd = spotUsd[z] as number;
      this.launched((2 + z) * plane + x * n, width, withWork);
      for (let i = 0; i < withWork; i++) {
        let cost = usd + (shifted[i] as number) + (penalty[i] as number);
        if (fails > 0) cost = (1 - fails) * cost + fails * (i > 0 ? (expected[idle + i - 1] as number) : this.idleAtZeroUsd);
        if (cost < (next[idle + i] as number)) next[idle + i] = cost;
      }
    }
    for (let p = 1; p < 2 + kernels.length; p++) {
      if (p > 1 && !this.isUp(x, p - 2)) continue;
      const at = p * plane + x * n;
      const usd = p === 1 ? onDemandUsd : (spotUsd[p - 2] as number);
      if (drift !== 0) this.shift(at, -drift, width, withWork);
      for (let i = 0; i < withWork; i++) {
        const stay = usd + ((drift === 0 ? expected[at + i] : shifted[i]) as number);
        const leave = next[idle + i] as number;
        next[at + i] = stay < leave ? stay : leave;
      }
    }
  }

  private isUp(x: number, z: number): boolean {
    const { count, upCentres } = this.q.phases;
    return Math.floor(x / count ** z) % count < upCentres.length;
  }

  private launched(at: number, width: number, withWork: number): void {
    this.shift(at, this.q.startHours / this.step - this.q.drift, width, withWork);
  }

  /** `shifted[i]` = expected value at slack i - cells, linearly between cells; below 0 as at 0. */
  private shift(at: number, cells: number, width: number, withWork: number): void {
    const { expected, shifted } = this;
    const whole = Math.ceil(cells);
    const part = whole - cells;
    const last = width - 1;
    for (let i = 0; i < withWork; i++) {
      const low = i - whole;
      if (low < 0) shifted[i] = expected[at] as number;
      else if (low >= last) shifted[i] = expected[at + last] as number;
      else {
        const e = expected[at + low] as number;
        shifted[i] = e + ((expected[at + low + 1] as number) - e) * part;
      }
    }
  }
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
