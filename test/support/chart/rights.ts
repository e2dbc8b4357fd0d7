// Who may do what: roles and bindings of a rendered chart resolved to one line for each account, scope and resource.

import type { Manifest } from './helm.ts';

interface Rule {
  readonly apiGroups: readonly string[];
  readonly resources: readonly string[];
  readonly verbs: readonly string[];
}

interface Binding {
  readonly kind: string;
  readonly metadata: Manifest['metadata'];
  readonly roleRef: { readonly kind: string; readonly name: string };
  readonly subjects: readonly { readonly kind: string; readonly name: string; readonly namespace?: string }[];
}

/** `<namespace>/<account> in <namespace | every namespace>: <group/resource> <verbs>`, sorted. A role that nobody holds is listed too. */
export function rights(manifests: readonly Manifest[]): readonly string[] {
  const roles = manifests.filter(({ kind }) => kind === 'Role' || kind === 'ClusterRole');
  const bindings = manifests.filter(
    ({ kind }) => kind === 'RoleBinding' || kind === 'ClusterRoleBinding',
  ) as readonly unknown[] as readonly Binding[];
  const held = new Set<Manifest>();
  const lines = bindings.flatMap((binding) => {
    const { kind, name } = binding.roleRef;
    const role = roles.find(
      (one) => one.kind === kind && one.metadata.name === name && (kind === 'ClusterRole' || one.metadata.namespace === binding.metadata.namespace),
    );
    if (role === undefined) return [`${binding.metadata.name} binds ${kind} ${name}, which the chart does not have`];
    held.add(role);
    const scope = binding.kind === 'ClusterRoleBinding' ? 'every namespace' : (binding.metadata.namespace ?? '?');
    return binding.subjects.flatMap((subject) =>
      (role['rules'] as readonly Rule[]).flatMap((rule) => {
        const what = rule.apiGroups.flatMap((group) => rule.resources.map((resource) => (group === '' ? resource : `${group}/${resource}`)));
        return what.map((one) => `${subject.kind} ${subject.namespace ?? '?'}/${subject.name} in ${scope}: ${one} ${rule.verbs.join(',')}`);
      }),
    );
  });
  const idle = roles.filter((role) => !held.has(role)).map((role) => `nobody holds ${role.kind} ${role.metadata.name}`);
  return [...lines, ...idle].toSorted();
}
