import { describe, expect, it } from 'vitest';
import { mutate } from '../../src/webhook/mutate.ts';
import { applied, contextWith } from '../support/webhook/context.ts';
import { jobReview } from '../support/webhook/reviews.ts';

type Template = { readonly metadata: { readonly labels?: Record<string, string>; readonly annotations?: Record<string, string> } };

function created(spec: Record<string, unknown>, more: Parameters<typeof jobReview>[1] = {}) {
  const review = jobReview(spec, more) as { request: { object: { spec: { template: Template } } } };
  const verdict = mutate(review, contextWith());
  const object = applied(review.request.object, verdict.patch);
  return {
    verdict,
    object,
    annotations: object.spec.template.metadata.annotations ?? {},
    again: { ...review, request: { ...review.request, object } },
  };
}

const limitAndPolicy = (annotations: Record<string, string>) => [annotations['nerve.io/backoff-limit'], annotations['nerve.io/ignores-disruption']];
const onDisruption = (action: string) => ({ action, onPodConditions: [{ type: 'DisruptionTarget', status: 'True' }] });

describe('the rule for Jobs', () => {
  it('writes limit and policy on the pod template, beside what is there', () => {
    const { annotations } = created({ backoffLimit: 4 }, { template: { annotations: { mine: 'x', 'nerve.io/deadline': '2026-11-25T20:00:00Z' } } });
    expect(annotations).toEqual({
      mine: 'x',
      'nerve.io/deadline': '2026-11-25T20:00:00Z',
      'nerve.io/backoff-limit': '4',
      'nerve.io/ignores-disruption': 'false',
    });
  });

  it('takes the limit of each index where there is one', () => {
    expect(limitAndPolicy(created({ completionMode: 'Indexed', backoffLimit: 2_147_483_647, backoffLimitPerIndex: 2 }).annotations)[0]).toBe('2');
  });

  it('says that a policy ignores disruptions only when no earlier rule takes the exit code of a stopped container', () => {
    const rules = (...list: unknown[]) => limitAndPolicy(created({ podFailurePolicy: { rules: list } }).annotations)[1];
    expect(rules(onDisruption('Ignore'))).toBe('true');
    expect(rules({ action: 'FailJob', onExitCodes: { operator: 'In', values: [42] } }, onDisruption('Ignore'))).toBe('true');
    expect(rules({ action: 'FailJob', onExitCodes: { operator: 'NotIn', values: [0, 1] } }, onDisruption('Ignore'))).toBe('false');
    expect(rules({ action: 'FailJob', onExitCodes: { operator: 'In', values: [143] } }, onDisruption('Ignore'))).toBe('false');
    expect(rules(onDisruption('Count'), onDisruption('Ignore'))).toBe('false');
    expect(rules({ action: 'Ignore', onPodConditions: [{ type: 'Other' }] })).toBe('false');
  });

  it('tells the pods of parallel Jobs without index, and of queued ones, that they are left alone', () => {
    expect(created({ parallelism: 4, completions: null }).annotations).toHaveProperty(['nerve.io/leave']);
    expect(created({ completions: 10 }).annotations).toHaveProperty(['nerve.io/leave']);
    expect(created({ parallelism: 4, completions: 4, completionMode: 'Indexed' }).annotations).not.toHaveProperty(['nerve.io/leave']);
    expect(created({}, { labels: { 'kueue.x-k8s.io/queue-name': 'a' } }).annotations['nerve.io/leave']).toContain('Kueue');
  });

  it('does nothing to a Job whose template has not the label, and nothing more the second time', () => {
    expect(created({}, { template: { labels: { app: 'x' } } }).verdict.patch).toEqual([]);
    expect(mutate(created({}).again, contextWith()).patch).toEqual([]);
    expect(mutate(created({}, { template: { annotations: { mine: 'x' } } }).again, contextWith()).patch).toEqual([]);
  });

  it('warns that a time limit of the Job counts while its pods are held', () => {
    const fits = { podFailurePolicy: { rules: [onDisruption('Ignore')] } };
    expect(created(fits).verdict.warnings).toEqual([]);
    expect(created({ ...fits, activeDeadlineSeconds: 3600 }).verdict.warnings).toHaveLength(1);
  });

  it('warns that evacuations use up the limit where no policy ignores them', () => {
    const said = (backoffLimit: number): string => created({ backoffLimit }).verdict.warnings.join();
    expect(said(4)).toContain('at most 3 times');
    expect(said(0)).toContain('at most 0 times');
  });
});
