// The process's environment, for those who hand it on (a job's processes, the search for a Redis on PATH) and for the programs of a cluster, which
// read it without loading the schema of all settings.

export type Environment = Readonly<Record<string, string | undefined>>;

export const environment = (): Environment => process.env;
