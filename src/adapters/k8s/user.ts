// The command line's cluster: the user's kubeconfig, the user's rights, one namespace. No watch outlives a command.

import { NerveError } from '../../engine/errors.ts';
import type { Pod } from '../../engine/pod/types.ts';
import type { Manifest, UserCluster } from '../../ports.ts';
import type { Connection } from './user-config.ts';
import { ask, lines, open } from './user-request.ts';
import { watchPods } from './user-watch.ts';

const PAGE = 500;

interface PodPage {
  readonly metadata: { readonly continue?: string; readonly resourceVersion?: string };
  readonly items: readonly Pod[];
}

export function userCluster(connection: Connection): UserCluster {
  const { context, namespace } = connection;
  const core = `/api/v1/namespaces/${encodeURIComponent(namespace)}`;
  const podPath = (name: string): string => `${core}/pods/${encodeURIComponent(name)}`;
  const get = async (path: string): Promise<unknown> => JSON.parse((await ask(connection, { method: 'GET', path })).body);

  async function list(selector: string): Promise<{ readonly pods: readonly Pod[]; readonly version: string }> {
    const pods: Pod[] = [];
    for (let next = ''; ; ) {
      const query = new URLSearchParams({ labelSelector: selector, limit: String(PAGE), ...(next === '' ? {} : { continue: next }) });
      const page = (await get(`${core}/pods?${query.toString()}`)) as PodPage;
      pods.push(...page.items);
      next = page.metadata.continue ?? '';
      if (next === '') return { pods, version: page.metadata.resourceVersion ?? '' };
    }
  }

  return {
    context,
    namespace,
    get,
    create: async (object, { dryRun }) => {
      const path = `${object.kind === 'Job' ? `/apis/batch/v1/namespaces/${encodeURIComponent(namespace)}/jobs` : `${core}/pods`}?fieldManager=nerve-cli${dryRun ? '&dryRun=All' : ''}`;
      const { body, warnings } = await ask(connection, { method: 'POST', path, body: object });
      return { object: JSON.parse(body) as Manifest, warnings };
    },
    pods: async (selector) => (await list(selector)).pods,
    until: (selector, see, timeoutRealMs) => watchPods({ connection, core, list, selector }, see, timeoutRealMs),
    annotate: async (pod, annotations) => {
      await ask(connection, { method: 'PATCH', path: podPath(pod), type: 'application/merge-patch+json', body: { metadata: { annotations } } });
    },
    openGate: async (pod, gate) => {
      const body = { spec: { schedulingGates: [{ $patch: 'delete', name: gate }] } };
      await ask(connection, { method: 'PATCH', path: podPath(pod), type: 'application/strategic-merge-patch+json', body });
    },
    logs: async (pod, { follow }, print) => {
      const response = await open(connection, { method: 'GET', path: `${podPath(pod)}/log?follow=${follow}` });
      for await (const line of lines(response)) print(`${line}\n`);
    },
    may: async (verb, resource, group = '') => {
      const [name, subresource] = resource.split('/');
      const { body } = await ask(connection, {
        method: 'POST',
        path: '/apis/authorization.k8s.io/v1/selfsubjectaccessreviews',
        body: {
          apiVersion: 'authorization.k8s.io/v1',
          kind: 'SelfSubjectAccessReview',
          spec: { resourceAttributes: { namespace, verb, group, resource: name, ...(subresource === undefined ? {} : { subresource }) } },
        },
      });
      const review = JSON.parse(body) as { readonly status?: { readonly allowed?: boolean } };
      if (review.status === undefined)
        throw new NerveError('fatal', 'The cluster did not say what you may do.', { hint: 'Try: kubectl auth can-i --list' });
      return review.status.allowed === true;
    },
  };
}
