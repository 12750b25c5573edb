import { z } from 'zod';
import { parsedAs } from './documents.ts';

/** Media types of the layer with the chart itself; the second is of helm's first releases for registries. */
export const chartLayers: readonly string[] = [
  'application/vnd.cncf.helm.chart.content.v1.tar+gzip',
  'application/tar+gzip',
];

/** Whether a path in a chart's archive is that of a file beside its Chart.yaml, however it is written. */
export const isInChart =
  (file: string) =>
  (path: string): boolean => {
    const parts = path.split('/');
    return parts.length === 2 && parts[1]?.toLowerCase() === file;
  };

const text = z.string().optional().catch(undefined);
const dependency = z.object({
  name: z.string(),
  version: text,
  repository: text,
  condition: text,
  alias: text,
});

/** What a chart depends on: helm writes its Chart.yaml into the config, and of older charts requirements.yaml too. */
export const dependenciesIn = (config: Uint8Array): readonly object[] =>
  parsedAs(dependency, config, 'dependencies');
