import { describe, expect, it, test } from 'vitest';
import { configSchema } from '../../src/config/schema.ts';
import { buildSpec, jobName, type SpecInput } from '../../src/intake/spec.ts';
import { checkPlaces, newJobId } from '../../src/intake/submit.ts';
import { HOUR, market, NOW, spec } from '../support/build.ts';

const input = (over: Partial<SpecInput> = {}): SpecInput => ({
  id: 'j-test0001',
  flags: {},
  file: {},
  config: configSchema.parse({}),
  command: ['python', 'train.py'],
  cwd: '/work',
  nowMs: NOW,
  deadlineMs: NOW + 6 * HOUR,
  work: { ms: HOUR, source: 'user' },
  defaultCheckpointDir: '/state/checkpoints/j-test0001',
  ...over,
});

describe('a name', () => {
  it.each<[string, string]>([
    ['nothing', ''],
    ['blanks', '  \t '],
    ['a line break', 'we\nird'],
    ['an escape', 'a\u001B[31mred'],
    ['a C1 control', 'a\u009Bb'],
    ['a mark that turns the direction of writing', 'a\u202Eb'],
    ['more than 200 characters', 'x'.repeat(201)],
  ])('of %s is refused, from a flag and from a file', (_, name) => {
    expect(() => buildSpec(input({ flags: { name } }))).toThrow(expect.objectContaining({ kind: 'usage', message: expect.stringMatching(/name/) }));
    expect(() => buildSpec(input({ file: { name } }))).toThrow(expect.objectContaining({ kind: 'usage' }));
  });

  it('may be in any script, and up to 200 characters', () => {
    for (const name of ['Zürich 東京 🙂', '🙂'.repeat(200)]) expect(buildSpec(input({ flags: { name } })).name).toBe(name);
  });

  it('that the command gives is made to fit', () => {
    expect(jobName({}, {}, ['/'])).toBe('job');
    expect(jobName({}, {}, ['.sh'])).toBe('job');
    expect(jobName({}, {}, ['\u001B[31mred'])).toBe('[31mred');
    expect(jobName({}, {}, ['x'.repeat(300)])).toBe('x'.repeat(200));
  });
});

describe('a spec', () => {
  it('needs nothing but a command, a deadline and a duration', () => {
    expect(buildSpec(input())).toEqual({
      id: 'j-test0001',
      name: 'train',
      submittedAtMs: NOW,
      deadlineMs: NOW + 6 * HOUR,
      workMs: HOUR,
      workSource: 'user',
      optimize: 'cost',
      carbonPriceUsdPerTonne: 0,
      maxPriceUsdPerHour: null,
      zones: null,
      instanceTypes: ['g4dn.xlarge'],
      retries: 3,
      checkpointUri: 'file:///state/checkpoints/j-test0001',
      program: { kind: 'process', command: ['python', 'train.py'], cwd: '/work' },
    });
  });

  it('takes a flag before the file, and the file before the configuration', () => {
    const built = buildSpec(
      input({
        flags: { retries: 1 },
        file: { retries: 2, optimize: 'carbon', zones: ['euw3-az1'] },
        config: configSchema.parse({ job: { retries: 5, optimize: 'balanced', instanceTypes: ['g6.xlarge'] } }),
      }),
    );
    expect(built).toMatchObject({ retries: 1, optimize: 'carbon', zones: ['euw3-az1'], instanceTypes: ['g6.xlarge'] });
    expect(built.carbonPriceUsdPerTonne).toBeGreaterThan(0);
  });

  it('keeps a carbon price of nothing', () => {
    expect(buildSpec(input({ flags: { optimize: 'carbon', 'carbon-price': 0 } })).carbonPriceUsdPerTonne).toBe(0);
  });

  test.each(['s3://bucket/prefix/', 's3://bucket', 'file:///data/run'])('may checkpoint to %s', (uri) => {
    expect(buildSpec(input({ flags: { 'checkpoint-uri': uri } })).checkpointUri).toBe(uri.replace(/\/$/, ''));
  });

  test.each(['checkpoints', '/data/run', 's3://', 'gs://bucket/x', 'file://relative', 'file:///'])('may not checkpoint to %s', (uri) => {
    expect(() => buildSpec(input({ flags: { 'checkpoint-uri': uri } }))).toThrow(
      expect.objectContaining({ kind: 'usage', message: expect.stringContaining(uri), hint: expect.stringContaining('s3://') }),
    );
  });
});

describe('the name of a job', () => {
  test.each([
    [['python', 'train.py', '--epochs', '3'], 'train'],
    [['python3', '-u', 'jobs/nightly.py'], 'nightly'],
    [['./render.sh'], 'render'],
    [['/bin/sh', '-c', 'make all'], 'sh'],
    [['make'], 'make'],
    [['sleep', '200'], 'sleep'],
    [['ffmpeg', '-i', 'in.mp4', 'out.mp4'], 'ffmpeg'],
    [['/usr/bin/python3.11', '-u', 'src/fine_tune.py', '--lr', '3e-4'], 'fine_tune'],
    [['CUDA_VISIBLE_DEVICES=0', 'torchrun', '--nproc_per_node=2', 'train.py'], 'train'],
    [['uv', 'run', 'python', 'train.py'], 'train'],
    [['python3', '-c', 'import this; print()'], 'python3'],
  ])('of %j is %s', (command, name) => {
    expect(jobName({}, {}, command)).toBe(name);
  });

  it('is what the user says, first by flag', () => {
    expect(jobName({ name: 'a' }, { name: 'b' }, ['make'])).toBe('a');
    expect(jobName({}, { name: 'b' }, ['make'])).toBe('b');
  });
});

describe('places', () => {
  const view = market();

  it('that are offered are accepted', () => {
    expect(() => checkPlaces(spec({ zones: ['euw3-az1'] }), view)).not.toThrow();
  });

  test.each([
    [{ zones: ['euw3-az9'] }, 'There is no zone "euw3-az9"', 'euw3-az1, euw3-az2, euw3-az3'],
    [{ instanceTypes: ['p5.48xlarge'] }, '"p5.48xlarge" is not offered', 'g4dn.xlarge'],
  ])('that are unknown are refused with those that are known: %j', (over, message, hint) => {
    expect(() => checkPlaces(spec(over), view)).toThrow(
      expect.objectContaining({ kind: 'usage', message: expect.stringContaining(message), hint: expect.stringContaining(hint) }),
    );
  });

  it('that are known but do not go together are refused', () => {
    const half = { ...view, offerings: view.offerings.filter((o) => o.zone !== 'euw3-az1') };
    const other = view.offerings.filter((o) => o.zone === 'euw3-az1').map((o) => ({ ...o, instanceType: 'g6.xlarge' }));
    expect(() => checkPlaces(spec({ zones: ['euw3-az1'] }), { ...half, offerings: [...half.offerings, ...other] })).toThrow(
      'None of g4dn.xlarge is offered in euw3-az1',
    );
  });
});

it('an id is one that BullMQ and Kubernetes accept, and no two are equal', () => {
  const ids = Array.from({ length: 1000 }, newJobId);
  expect(new Set(ids).size).toBe(1000);
  for (const id of ids) expect(id).toMatch(/^j-[a-z2-9]{8}$/);
});
