import { expect, it, test } from 'vitest';
import { readSeals, sealFrom, sealTable, size } from '../../src/terminal/seals.ts';

const nowMs = Date.parse('2026-11-25T12:00:00Z');
const checkpoint = {
  format: 1,
  nonce: 'n',
  type: 'checkpoint',
  job: 'j',
  attempt: 2,
  epoch: 4,
  step: 510,
  totalSteps: 600,
  final: false,
  completed: false,
  reason: 'periodic',
  data: 'data/a2-e4-s510-8d50049d',
  files: [
    { name: 'state.json', bytes: 7665, sha256: 'a'.repeat(64) },
    { name: 'model.bin', bytes: 1_000_000, sha256: 'b'.repeat(64) },
  ],
  durationMs: 5300,
  sealedAt: '2026-11-25T11:58:00.5+00:00',
};

it('reads what the SDK writes', () => {
  expect(sealFrom(5, JSON.stringify(checkpoint))).toEqual({
    number: 5,
    type: 'checkpoint',
    attempt: 2,
    epoch: 4,
    step: 510,
    totalSteps: 600,
    bytes: 1_007_665,
    files: 2,
    final: false,
    completed: false,
    reason: 'periodic',
    durationMs: 5300,
    sealedAtMs: Date.parse('2026-11-25T11:58:00.500Z'),
  });
  expect(sealFrom(4, '{"format":1,"nonce":"n","type":"resume","job":null,"attempt":2,"epoch":4}')).toEqual({
    number: 4,
    type: 'resume',
    attempt: 2,
    epoch: 4,
  });
});

test.each([
  ['nothing', null],
  ['no JSON', '{'],
  ['another format', JSON.stringify({ ...checkpoint, format: 2 })],
  ['a negative size', JSON.stringify({ ...checkpoint, files: [{ name: 'a', bytes: -1 }] })],
  ['no files', JSON.stringify({ ...checkpoint, files: [] })],
  ['an unknown type', JSON.stringify({ ...checkpoint, type: 'party' })],
])('shows %s as unreadable, and goes on', (_, text) => {
  expect(sealFrom(7, text)).toEqual({ number: 7, type: 'unreadable' });
});

it('shows the newest first, and how many there are', async () => {
  const log = {
    numbers: async () => [1, 2, 3],
    entry: async (n: number) => JSON.stringify({ ...checkpoint, step: n }),
    tryOut: async () => 'ok' as const,
  };
  const { total, seals } = await readSeals(log, 2);
  expect({ total, numbers: seals.map((seal) => seal.number) }).toEqual({ total: 3, numbers: [3, 2] });
});

it('is a table of step, size, time and age', () => {
  const seals = [
    sealFrom(6, JSON.stringify({ ...checkpoint, final: true, reason: 'interruption' })),
    sealFrom(5, JSON.stringify({ ...checkpoint, completed: true })),
    sealFrom(4, '{"format":1,"type":"resume","attempt":2,"epoch":4}'),
    sealFrom(3, null),
  ];
  const [head, ...lines] = sealTable(seals, nowMs).split('\n');
  expect(head).toMatch(/^SEAL +ATTEMPT +STEP +SIZE +TOOK +AGE +WHAT$/);
  expect(lines[0]).toMatch(/^0000000006 +2 +510\/600 +1\.0 MB +5\.30 s +2 min +final \(interruption\)$/);
  expect(lines[1]).toMatch(/completed$/);
  expect(lines[2]).toMatch(/attempt 2 resumed \(epoch 4\)$/);
  expect(lines[3]).toMatch(/^0000000003 .*unreadable/);
});

test.each([
  [0, '0 B'],
  [999, '999 B'],
  [1000, '1.0 kB'],
  [2_500_000_000, '2.5 GB'],
])('%i bytes are written %s', (bytes, text) => {
  expect(size(bytes)).toBe(text);
});
