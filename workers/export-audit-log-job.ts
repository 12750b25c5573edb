import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { z } from 'zod';
import { type AuditFormat, auditWriter, type WriterSettings } from '../domain/audit/formats.ts';
import type { AuditExports } from '../infra/audit-exports/port.ts';
import type { AuditQuestion } from '../projections/audit/question.ts';
import type { AuditPage, AuditPaging } from '../projections/audit/search.ts';
import type { JobHandler } from './job.ts';

/** What is kept of an export that was asked for. */
export interface ExportRequest {
  /** With its times as text, as JSON has them. */
  readonly question: Omit<AuditQuestion, 'from' | 'until'> & {
    readonly from?: string;
    readonly until: string;
  };
  readonly robotPrefix: string;
}

interface Ports {
  readonly exports: Pick<AuditExports, 'find' | 'append'>;
  search(question: AuditQuestion, paging: AuditPaging): Promise<AuditPage>;
  /** Resolves when the audit log shows all that was recorded before. */
  auditIsCurrent(): Promise<void>;
  readonly writer: Omit<WriterSettings, 'robotPrefix'>;
}

const parameters = z.object({
  export_id: z.uuid().describe('Of what is asked for, which is kept beside the record'),
});

/** So many entries are one part of the file, and as many are in memory. */
const entriesAtOnce = 2000;
const compressed = promisify(gzip);

/**
 * AUDIT_EXPORT: writes a part of the audit log, part by part, each of which is compressed by itself: they are one gzip file
 * together (RFC 1952, section 2.2). Whoever goes on after a crash goes on behind the last part that was written.
 */
export const exportAuditLogJob = ({
  exports,
  search,
  auditIsCurrent,
  writer: settings,
}: Ports): JobHandler<z.output<typeof parameters>> => ({
  kind: 'AUDIT_EXPORT',
  parameters,

  async run({ parameters: { export_id: id } }, { stopping, log, progress }) {
    const asked = await exports.find(id);
    // It was deleted, or has expired, before its turn.
    if (asked === undefined) return {};
    const { question, robotPrefix } = asked.request as unknown as ExportRequest;
    const writer = auditWriter(asked.format as AuditFormat, { ...settings, robotPrefix });
    const { from, until } = question;
    const meant: AuditQuestion = {
      ...question,
      from: from === undefined ? undefined : new Date(from),
      until: new Date(until),
    };
    let { parts: part, entries } = asked;
    let place = asked.place;
    let isDone = asked.isDone;
    if (part > 0) log(`goes on after ${entries} entries`);
    await auditIsCurrent();
    while (!isDone && !stopping.aborted) {
      const after = place === null ? undefined : { at: new Date(place.at ?? ''), id: place.id ?? '' };
      const page = await search(meant, { after, descending: false, limit: entriesAtOnce });
      const lines = page.entries.map((entry) => writer.line(entry));
      if (part === 0 && writer.head !== undefined) lines.unshift(writer.head);
      const text = lines.map((line) => line + writer.lineBreak).join('');
      place = page.next === undefined ? null : { at: page.next.at.toISOString(), id: page.next.id };
      isDone = page.next === undefined;
      const written = {
        part,
        bytes: await compressed(text),
        entries: page.entries.length,
        place,
        isLast: isDone,
      };
      if (await exports.append(id, written)) {
        entries += page.entries.length;
        part += 1;
      } else {
        // Deleted meanwhile; or a worker that was taken for lost has still written it, behind which this one goes on.
        const found = await exports.find(id);
        if (found === undefined) return { entries };
        ({ parts: part, entries, place, isDone } = found);
      }
      progress({ stage: 'writing', done: entries });
    }
    return { entries };
  },
});
