// Whether a cluster is fit for Nerve and for the jobs of one namespace. Pure: facts in, findings out, each with a fix.

import type { ClusterFacts, Workload } from './facts.ts';
import { fail, type Finding, judge, ok, warn } from './finding.ts';
import { judgePods } from './judge-pods.ts';
import { judgePools } from './judge-pools.ts';

/** Scheduling gates and match conditions of webhooks are stable from here on. */
const MINOR_LEAST = 30;
const READ = 'Ask whoever runs the cluster, or run the doctor with rights to read it.';

export function judgeCluster(facts: ClusterFacts): readonly Finding[] {
  return [
    ...judge('version', facts.version, READ, ({ major, minor }) =>
      major > 1 || minor >= MINOR_LEAST
        ? ok('version', `Kubernetes ${major}.${minor}`)
        : fail('version', `Kubernetes ${major}.${minor} has no stable scheduling gates`, `Upgrade to 1.${MINOR_LEAST} or newer.`),
    ),
    ...judge('gates', facts.gateKept, 'Needs the right to create pods.', (kept) =>
      kept
        ? ok('gates', 'a scheduling gate stays on a pod')
        : fail('gates', 'the API server drops scheduling gates', 'Look for an admission policy that changes spec.schedulingGates.'),
    ),
    ...webhook(facts),
    ...judge('rights', facts.rights, READ, (rights) => {
      const missing = rights.filter(({ allowed }) => !allowed);
      if (missing.length === 0) return ok('rights', `you may do all that Nerve's commands do in namespace ${facts.namespace}`);
      return missing.map(({ what, needed }) =>
        (needed ? fail : warn)(
          'rights',
          `you may not ${what} in namespace ${facts.namespace}`,
          `Ask for a RoleBinding there: kubectl -n ${facts.namespace} create rolebinding ... --clusterrole=edit`,
        ),
      );
    }),
    ...installed(facts),
    ...redis(facts),
    ...judge('drainers', facts.workloads, READ, (workloads) => drainers(workloads)),
    ...judgePools(facts),
    ...judgePods(facts),
    ...judge('quotas', facts.quotas, READ, (quotas) => {
      const full = quotas.filter(({ used, hard }) => hard > 0 && used >= hard);
      if (full.length === 0) return ok('quotas', quotas.length === 0 ? `namespace ${facts.namespace} has no quota` : 'no quota is used up');
      return full.map(({ name, resource, used, hard }) =>
        fail(
          'quotas',
          `quota ${name} is used up: ${used} of ${hard} ${resource} (held jobs count too)`,
          `Raise it, or end something: kubectl -n ${facts.namespace} describe quota ${name}`,
        ),
      );
    }),
  ];
}

function webhook({ webhook: fact, nerveNamespace }: ClusterFacts): readonly Finding[] {
  return judge('webhook', fact, 'Needs the right to create pods in this namespace.', (answer) => {
    if (answer === 'gates') return ok('webhook', "Nerve's webhook answers and holds pods");
    if (answer === 'away')
      return fail(
        'webhook',
        "Nerve's webhook answers, but its worker is dead: nothing is held or placed",
        `See why: kubectl -n ${nerveNamespace} logs -l app.kubernetes.io/component=worker`,
      );
    if (answer === 'adopts-without-gate')
      return fail(
        'webhook',
        'a pod is adopted and loses its gate',
        'Another webhook takes it off: give Nerve’s reinvocationPolicy: IfNeeded, or exclude its pods there.',
      );
    return fail(
      'webhook',
      'no webhook of Nerve’s answers for this namespace',
      `Install it (helm install nerve-agent charts/nerve-agent -n ${nerveNamespace}), or see: kubectl -n ${nerveNamespace} get pods,mutatingwebhookconfigurations. A firewall between API server and nodes must let the webhook's port pass.`,
    );
  });
}

function installed({ nerve, beat, nerveNamespace }: ClusterFacts): readonly Finding[] {
  const named = judge('installation', nerve, READ, (own) => {
    if (own.length === 0)
      return fail(
        'installation',
        `nothing of Nerve's runs in namespace ${nerveNamespace}`,
        'Install it there, or name the right one: cluster.nerveNamespace in nerve.yaml.',
      );
    const weak = own.filter(({ wanted, ready }) => ready < wanted);
    if (weak.length === 0) return ok('installation', `${own.map(({ component, name }) => component ?? name).join(', ')}: ready`);
    return weak.map(({ kind, name, ready, wanted }) =>
      fail('installation', `${name}: ${ready} of ${wanted} ready`, `kubectl -n ${nerveNamespace} describe ${kind.toLowerCase()} ${name}`),
    );
  });
  const beats = judge('beat', beat, READ, (beating) =>
    beating
      ? ok('beat', 'the worker beats')
      : fail(
          'beat',
          'no worker has finished a pass yet: Nerve counts as away',
          `kubectl -n ${nerveNamespace} logs -l app.kubernetes.io/component=worker`,
        ),
  );
  return [...named, ...beats];
}

function redis({ redis: fact, nerveNamespace }: ClusterFacts): readonly Finding[] {
  if ('refused' in fact) return [fail('redis', fact.refused, fact.fix)];
  return judge(
    'redis',
    fact,
    `kubectl -n ${nerveNamespace} port-forward svc/nerve-agent-redis 6379 & then NERVE_REDIS_URL=redis://viewer:PASSWORD@localhost:6379 nerve doctor`,
    () => ok('redis', 'Redis is new enough, persists, and evicts nothing'),
  );
}

/** Two that drain one node end a pod before its checkpoint. */
function drainers(workloads: readonly Workload[]): Finding | readonly Finding[] {
  const found = workloads.flatMap((workload) => {
    const { name, namespace, settings } = workload;
    if (/node-termination-handler/.test(name))
      return warn(
        'drainers',
        `Node Termination Handler runs (${namespace}/${name}) and drains nodes on the same notices`,
        'Remove it, or let it only cordon: enableSpotInterruptionDraining=false.',
      );
    const queue = settings.some((setting) => /^(--)?interruption[-_]queue(-name)?=.+/i.test(setting));
    if (/karpenter/.test(name) && queue)
      return warn(
        'drainers',
        `Karpenter (${namespace}/${name}) watches the interruption queue and drains nodes itself`,
        'Unset settings.interruptionQueue of its chart; until then Nerve only checkpoints and restarts.',
      );
    return [];
  });
  return found.length > 0 ? found : ok('drainers', 'nobody else drains nodes on interruption notices');
}
