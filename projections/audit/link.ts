import type { RecordedEvent } from '../../domain/event.ts';
import type { AuditedEvent } from './act.ts';

/**
 * What was recorded longer before is another request's: the ids of older events were of the client's choice, who could send
 * one twice.
 */
export const maxRequestMs = 60_000;

interface Link {
  readonly replaces?: string;
  readonly replaceable?: string;
}

/**
 * What one request does at once is told once, though some of its events may have been applied in an earlier batch: a push
 * by its tags where it has some, a deletion by the artifact, and the changes of a project together.
 */
export function linkOf({ type, data, metadata }: RecordedEvent<AuditedEvent>): Link {
  const { correlationId, requestId, operation, actor } = metadata;
  // What is done in the course of a job is no request.
  if (correlationId === undefined || requestId === undefined) return {};
  const request = `${correlationId} ${actor}`;
  switch (type) {
    case 'ManifestPushed':
      return { replaceable: `push ${request} ${data.repository}@${data.digest}` };
    case 'TagAssigned':
    case 'TagMoved':
      return { replaces: `push ${request} ${data.repository}@${data.digest}` };
    case 'TagRemoved':
      return operation === undefined ? { replaceable: `delete ${request} ${data.repository}` } : {};
    case 'ManifestDeleted':
      return operation === undefined ? { replaces: `delete ${request} ${data.repository}` } : {};
    case 'ProjectMetadataChanged':
    case 'ProjectCveAllowlistChanged': {
      const link = `update ${request} ${data.projectId}`;
      return { replaces: link, replaceable: link };
    }
    default:
      return {};
  }
}
