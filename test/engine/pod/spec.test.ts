import { describe, expect, it } from 'vitest';
import { POD } from '../../../src/engine/pod/names.ts';
import { type SpecFacts, specFromPod } from '../../../src/engine/pod/spec.ts';
import { AT_MS, pod } from './pods.ts';

const facts: SpecFacts = {
  nowMs: AT_MS,
  knownTypes: ['g6.xlarge', 'g4dn.xlarge'],
  defaults: { optimize: 'cost', retries: 3 },
  carbonPriceUsdPerTonne: { cost: 0, balanced: 190, carbon: 100_000 },
  medianMs: null,
  jobNamespaces: null,
};

const HOUR_MS = 3_600_000;
const spec = (annotations: Record<string, string>, more: Partial<SpecFacts> = {}) =>
  specFromPod(pod({ metadata: { annotations } }), { ...facts, ...more });

describe('a pod becomes a job', () => {
  it.each([
    ['a deadline', { [POD.deadline]: '2026-11-25T20:00:00+01:00' }, { deadlineMs: AT_MS + 9 * HOUR_MS }],
    ['a length', { [POD.expectedDuration]: '1h30m' }, { workMs: 1.5 * HOUR_MS, workSource: 'user' }],
    ['what to optimise', { [POD.optimize]: 'balanced' }, { optimize: 'balanced', carbonPriceUsdPerTonne: 190 }],
    ['a carbon price', { [POD.carbonPrice]: '80' }, { carbonPriceUsdPerTonne: 80 }],
    ['a price cap', { [POD.maxPrice]: '0.45' }, { maxPriceUsdPerHour: 0.45 }],
    ['retries', { [POD.retries]: '0' }, { retries: 0 }],
    ['zones', { [POD.zones]: 'eu-west-3a, eu-west-3b' }, { zones: ['eu-west-3a', 'eu-west-3b'] }],
    ['zones as JSON', { [POD.zones]: '["eu-west-3a"]' }, { zones: ['eu-west-3a'] }],
    ['instance types', { [POD.instanceTypes]: 'p4d.24xlarge' }, { instanceTypes: ['p4d.24xlarge'] }],
    ['a place for checkpoints', { [POD.checkpointUri]: 's3://bucket/run/' }, { checkpointUri: 's3://bucket/run' }],
    ['nothing at all', {}, { instanceTypes: facts.knownTypes, zones: null, maxPriceUsdPerHour: null, retries: 3, checkpointUri: '', name: 'train' }],
  ])('that says %s', (_, annotations, expected) => {
    const adopted = spec(annotations);
    expect(adopted?.spec).toMatchObject(expected);
    expect(adopted?.warnings).toEqual([]);
  });

  it.each([
    [POD.deadline, 'tomorrow'],
    [POD.deadline, '2026-11-25T20:00:00'],
    [POD.expectedDuration, 'long'],
    [POD.expectedDuration, '-5m'],
    [POD.optimize, 'speed'],
    [POD.carbonPrice, '-1'],
    [POD.maxPrice, 'cheap'],
    [POD.retries, '-1'],
    [POD.zones, '{"a":1}'],
    [POD.instanceTypes, 'a b'],
    [POD.checkpointUri, 'http://somewhere'],
  ])('and %s "%s" is warned about and ignored', (name, value) => {
    const adopted = spec({ [name]: value });
    expect(adopted?.warnings).toEqual([expect.stringContaining(`${name}: "${value}"`)]);
    expect(adopted?.spec).toEqual(spec({})?.spec);
  });

  it.each([
    ['with deadline and length', { [POD.deadline]: '2026-11-25T20:00:00Z', [POD.expectedDuration]: '1h' }, {}, false],
    ['with deadline and finished runs of its name', { [POD.deadline]: '2026-11-25T20:00:00Z' }, { medianMs: HOUR_MS }, false],
    ['with a deadline alone', { [POD.deadline]: '2026-11-25T20:00:00Z' }, {}, true],
    ['without a deadline', { [POD.expectedDuration]: '1h' }, {}, true],
  ])('%s: started at once is %#', (_, annotations, more, atOnce) => {
    expect(spec(annotations, more)?.atOnce).toBe(atOnce);
  });

  it('is named after its Job, and owned by it', () => {
    const owner = { apiVersion: 'batch/v1', kind: 'Job', name: 'nightly', uid: 'o1', controller: true };
    const adopted = specFromPod(pod({ metadata: { ownerReferences: [owner] } }), facts);
    expect(adopted?.spec).toMatchObject({ name: 'nightly', program: { kind: 'pod', namespace: 'team', owner: 'job' } });
  });

  it('takes the instance types that its own rules name', () => {
    const selected = specFromPod(pod({ spec: { nodeSelector: { 'node.kubernetes.io/instance-type': 'g5.xlarge' } } }), facts);
    expect(selected?.spec.instanceTypes).toEqual(['g5.xlarge']);
  });

  it('without a job id is none of ours', () => {
    expect(specFromPod({ metadata: { name: 'x' }, spec: { containers: [] } }, facts)).toBeNull();
  });
});
