import type { z } from 'zod';
import { inSixFields, parseCron } from '../../../domain/schedule/cron.ts';
import { decimal, flag, section, text } from '../fields.ts';

const tenYears = 87_600;
const hours = (meaning: string) => decimal(meaning, 0, tenYears);
const cronExpected = 'a cron expression of five or six fields, such as 30 3 * * *';
const isCron = (expression: string): boolean => parseCron(inSixFields(expression)) !== undefined;
const orphanExpected = `0, or a number from 1 to ${tenYears}`;

export const garbageCollection = {
  garbage_collection: section(
    'The removal of what nothing needs any more, while the registry works. All ages are in hours; fractions are allowed.',
    {
      enabled: flag(
        'Whether garbage is collected by a schedule, until an administrator sets one or ends it; `shiplog gc` works in any case.',
      ).default(true),
      schedule: text(
        'When, as a cron expression in UTC, until an administrator sets another schedule or ends it.',
        cronExpected,
      )
        .refine(isCron, { error: cronExpected })
        .default('30 3 * * *'),
      grace_hours: hours(
        'For how long a blob that no manifest of its repository needs is kept after it was uploaded or last needed.',
      ).default(24),
      untagged: flag(
        'Whether manifests go that no tag points at, no index names, and that refer to nothing that is there.',
      ).default(false),
      untagged_grace_hours: hours(
        'For how long such a manifest is kept after it was pushed, or lost its tag, its index or its subject.',
      ).default(168),
      delay_hours: hours(
        'For how long a client that looked before something was condemned can still make use of it: the time between the condemnation and the removal. It should be longer than a push may take.',
      ).default(2),
      orphan_hours: hours(
        'From which age on stored bytes go that no event names, such as those of a process that was killed. At least 1; 0 is for a registry that nobody pushes to, since it takes the bytes of a push that is under way.',
      )
        .refine((age) => age === 0 || age >= 1, { error: orphanExpected })
        .default(24),
    },
  ).prefault({}),
} satisfies z.core.$ZodShape;
