import { NerveCommand } from '../../terminal/command.ts';

export default class ConfigShow extends NerveCommand {
  static override description = 'Show every setting, its value, and where it comes from (flag, environment, nerve.yaml or default).';
  static override examples = ['<%= config.bin %> config show --json'];

  async run(): Promise<unknown> {
    const { flags } = await this.parse(ConfigShow);
    const { where } = await import('../../wire.ts');
    const { table } = await import('../../terminal/figures.ts');
    const { config, sources, paths } = where(flags);
    const settings = Object.entries(config).flatMap(([room, value]): [string, unknown][] =>
      typeof value === 'object' && value !== null
        ? Object.entries(value).map(([key, inner]): [string, unknown] => [`${room}.${key}`, inner])
        : [[room, value]],
    );
    this.log(table([['SETTING', 'VALUE', 'FROM'], ...settings.map(([name, value]) => [name, JSON.stringify(value), sources[name] ?? 'default'])]));
    this.log(`\nstate folder  ${paths.state}`);
    return { config, sources, stateDir: paths.state };
  }
}
