import type { z } from 'zod';
import { duration, flag, section, whole } from '../fields.ts';

export const uploads = {
  upload_purging: section('The removal of uploads that nobody goes on with.', {
    enabled: flag('Whether they are removed.').default(true),
    age: duration(
      'How long an upload is kept after the last request that was at work on it; at least ten minutes.',
      600_000,
    ).prefault('168h'),
    interval: duration('The time between two looks at all uploads; at least one second.', 1000).prefault(
      '24h',
    ),
    dryrun: flag('Whether what would be removed is only logged.').default(false),
  }).prefault({}),

  uploads: section('Uploads in progress.', {
    max_open: whole(
      'How many uploads one account may have open at once; a further one is answered with 429.',
      1,
      1_000_000,
    ).default(10_000),
  }).prefault({}),
} satisfies z.core.$ZodShape;
