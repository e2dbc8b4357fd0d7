// What every command that takes a job says of it.

export const jobArg = {
  description: 'id of the job, as "nerve submit" printed it; in a cluster also the name of its pod or Job',
  required: true,
  // oclif would take what is piped in for it: `while read job; do nerve report; done` would lose its lines.
  ignoreStdin: true,
} as const;
