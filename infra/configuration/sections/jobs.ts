import type { z } from 'zod';
import { flag, notUsed, section, whole } from '../fields.ts';

const inRecord = 'The logs of jobs are kept beside the views, as long as the job is listed.';

export const jobs = {
  jobservice: section('Work in the background, such as retention: jobs wait in a queue for a worker.', {
    enabled: flag(
      'Whether the server is a worker too. Where it is not, `shiplog worker` has to run beside it.',
    ).default(true),
    max_job_workers: whole('How many jobs a process does at once.', 1, 1000).default(10),
    max_job_duration_hours: notUsed('A job may take as long as it takes; an operator can stop it.'),
    job_loggers: notUsed(inRecord),
    logger_sweeper_duration: notUsed(inRecord),
  }).prefault({}),
  audit_exports: section('Files into which a part of the audit log was written, to be downloaded.', {
    expire_hours: whole('How long after it was asked for a file is there.', 1, 8760).default(72),
  }).prefault({}),
} satisfies z.core.$ZodShape;
