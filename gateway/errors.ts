import type { FastifyReply, FastifyRequest } from 'fastify';
import { exceededWords } from '../domain/quota/words.ts';
import { type Reason, Refusal } from '../domain/refusal.ts';
import { withoutProject } from '../domain/repository.ts';
import {
  BlobNotFound,
  BlobTooLarge,
  DigestMismatch,
  OffsetMismatch,
  StoreFull,
  StoreUnavailable,
  UploadBusy,
  UploadNotFound,
} from '../infra/blob-store/port.ts';
import { AppendTooLarge, LogUnavailable, RevisionConflict } from '../infra/event-log/port.ts';
import { RoomClaimed } from '../infra/quota-claims/port.ts';
import { SessionStoreUnavailable } from '../infra/session-store/port.ts';
import { ViewsBehind } from '../infra/views/port.ts';
import { QuestionTooLong } from '../projections/bounded.ts';

/** One answer in the form that distribution-spec ("Error Codes") and Harbor share. */
export interface Answer {
  readonly status: number;
  readonly code: string;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** One entry each, where the specification wants several; the message stands in every one. */
  readonly details?: readonly unknown[];
}

/** A request that is malformed or not allowed, refused at the edge. */
export class RequestRefused extends Error {
  override readonly name = 'RequestRefused';
  readonly answer: Answer;
  constructor(answer: Answer) {
    super(answer.message);
    this.answer = answer;
  }
}

const answers: { [Kind in Reason['kind']]: (reason: Extract<Reason, { kind: Kind }>) => Answer } = {
  'project-unknown': ({ project }) => ({
    status: 404,
    code: 'NAME_UNKNOWN',
    message: `project ${project} not found`,
  }),
  'project-exists': ({ project }) => ({
    status: 409,
    code: 'CONFLICT',
    message: `The project named ${project} already exists`,
  }),
  'user-exists': ({ username }) => ({
    status: 409,
    code: 'CONFLICT',
    message: `user ${username} already exists`,
  }),
  'project-not-empty': () => ({
    status: 412,
    code: 'PRECONDITION',
    message: 'the project contains repositories, can not be deleted',
  }),
  'metadata-exists': ({ project, key }) => ({
    status: 409,
    code: 'CONFLICT',
    message: `the project ${project} has the metadata ${key} already`,
  }),
  'user-unknown': ({ userId }) => ({ status: 404, code: 'NOT_FOUND', message: `user ${userId} not found` }),
  'password-changed': () => ({
    status: 409,
    code: 'CONFLICT',
    message: 'the password was changed meanwhile',
  }),
  // Whose it is, is not for everybody.
  'email-taken': () => ({ status: 409, code: 'CONFLICT', message: 'the email is already in use' }),
  'member-exists': ({ project, member }) => ({
    status: 409,
    code: 'CONFLICT',
    message: `${member} is a member of the project ${project} already`,
  }),
  'member-unknown': ({ memberId }) => ({
    status: 404,
    code: 'NOT_FOUND',
    message: `project member ${memberId} not found`,
  }),
  'user-group-exists': ({ name }) => ({
    status: 409,
    code: 'CONFLICT',
    message: `user group ${name} already exists`,
  }),
  'user-group-unknown': ({ groupId }) => ({
    status: 404,
    code: 'NOT_FOUND',
    message: `user group ${groupId} not found`,
  }),
  'robot-exists': ({ robot }) => ({
    status: 409,
    code: 'CONFLICT',
    message: `robot account ${robot} already exists`,
  }),
  'robot-unknown': ({ robotId }) => ({
    status: 404,
    code: 'NOT_FOUND',
    message: `robot ${robotId} not found`,
  }),
  'label-exists': ({ label }) => ({
    status: 409,
    code: 'CONFLICT',
    message: `label ${label} already exists`,
  }),
  'label-unknown': ({ labelId }) => ({
    status: 404,
    code: 'NOT_FOUND',
    message: `label ${labelId} not found`,
  }),
  'label-attached': ({ labelId }) => ({
    status: 409,
    code: 'CONFLICT',
    message: `label ${labelId} is already added to the artifact`,
  }),
  'label-not-attached': ({ labelId }) => ({
    status: 404,
    code: 'NOT_FOUND',
    message: `label ${labelId} is not added to the artifact`,
  }),
  'immutable-rule-exists': ({ project, ruleId }) => ({
    status: 409,
    code: 'CONFLICT',
    message: `the project ${project} has an immutable tag rule with these selectors already: ${ruleId}`,
  }),
  'immutable-rule-unknown': ({ ruleId }) => ({
    status: 404,
    code: 'NOT_FOUND',
    message: `immutable tag rule ${ruleId} not found`,
  }),
  'too-many-immutable-rules': ({ max }) => ({
    status: 400,
    code: 'BAD_REQUEST',
    message: `a project has at most ${max} immutable tag rules`,
  }),
  'immutable-patterns-too-long': ({ max }) => ({
    status: 400,
    code: 'BAD_REQUEST',
    message: `the patterns of a project's immutable tag rules have at most ${max} characters together`,
  }),
  'webhook-policy-exists': ({ project, name }) => ({
    status: 409,
    code: 'CONFLICT',
    message: `${project === null ? 'the registry' : `the project ${project}`} has a webhook policy named ${name} already`,
  }),
  'webhook-policy-unknown': ({ policyId }) => ({
    status: 404,
    code: 'NOT_FOUND',
    message: `webhook policy ${policyId} not found`,
  }),
  'too-many-webhook-policies': ({ max }) => ({
    status: 400,
    code: 'BAD_REQUEST',
    message: `a project has at most ${max} webhook policies`,
  }),
  // Harbor's status, code and words; it leaves the project out of the repository's name.
  'tag-immutable': ({ repository, tag }) => ({
    status: 412,
    code: 'PRECONDITION',
    message: `Failed to process request due to '${withoutProject(repository)}:${tag}' configured as immutable.`,
  }),
  'retention-unknown': ({ policyId }) => ({
    status: 404,
    code: 'NOT_FOUND',
    message: `no such Retention policy with id ${policyId}`,
  }),
  'retention-exists': ({ projectId, policyId }) => ({
    status: 400,
    code: 'BAD_REQUEST',
    message: `project ${projectId} already has retention policy ${policyId}`,
  }),
  'artifact-changed': ({ repository, digest }) => ({
    status: 409,
    code: 'CONFLICT',
    message: `artifact ${repository}@${digest} has changed meanwhile`,
  }),
  'artifact-unknown': ({ repository, digest }) => ({
    status: 404,
    code: 'NOT_FOUND',
    message: `artifact ${repository}@${digest} not found`,
  }),
  'configuration-invalid': ({ item, expected }) => ({
    status: 400,
    code: 'BAD_REQUEST',
    message: `${item} is ${expected}`,
  }),
  'auth-mode-locked': () => ({
    status: 400,
    code: 'BAD_REQUEST',
    message: 'the auth mode cannot be modified as new users have been inserted into database',
  }),
  'audit-endpoint-missing': () => ({
    status: 400,
    code: 'BAD_REQUEST',
    message:
      'bad request: audit log forward endpoint should be configured before enable skip audit log in database',
  }),
  'audit-endpoint-unreachable': ({ endpoint }) => ({
    status: 400,
    code: 'BAD_REQUEST',
    message: `could not connect to the audit endpoint: ${endpoint}`,
  }),
  'access-token-exists': ({ name }) => ({
    status: 409,
    code: 'CONFLICT',
    message: `there is an access token called ${name} already`,
  }),
  'access-token-unknown': ({ tokenId }) => ({
    status: 404,
    code: 'NOT_FOUND',
    message: `access token ${tokenId} not found`,
  }),
  'too-many-access-tokens': ({ max }) => ({
    status: 412,
    code: 'PRECONDITION',
    message: `a user has at most ${max} access tokens; revoke those that are not needed any more`,
  }),
  'preferences-changed': () => ({
    status: 412,
    code: 'PRECONDITION',
    message: 'the preferences have changed since they were read',
  }),
  // 400 as distribution answers it; a 404 would read as if the repository were not there.
  'references-unknown': ({ repository, digests }) => ({
    status: 400,
    code: 'MANIFEST_BLOB_UNKNOWN',
    message: `the manifest refers to what is not in ${repository}`,
    details: digests.map((digest) => ({ digest })),
  }),
  'reference-size-differs': ({ digest, claimed, size }) => ({
    status: 400,
    code: 'MANIFEST_INVALID',
    message: `the manifest says that ${digest} has ${claimed} bytes, but it has ${size}`,
  }),
  'execution-unknown': ({ executionId }) => ({
    status: 404,
    code: 'NOT_FOUND',
    message: `execution ${executionId} not found`,
  }),
  'cron-invalid': ({ cron }) => ({
    status: 400,
    code: 'BAD_REQUEST',
    message: `the cron string ${JSON.stringify(cron)} is no valid one of six fields, or is never due`,
  }),
  'manifest-invalid': ({ fault }) => ({
    status: 400,
    code: 'MANIFEST_INVALID',
    message: `manifest invalid: ${fault}`,
  }),
  // An index that lacks a child breaks the pulls of one platform only, which nobody sees for long.
  'manifest-referenced': ({ digest, by }) => ({
    status: 409,
    code: 'DENIED',
    message: `${digest} is part of the index ${by}; delete that first`,
  }),
  'blob-referenced': ({ digest }) => ({
    status: 409,
    code: 'DENIED',
    message: `a manifest of the repository needs ${digest}; delete that first`,
  }),
  'quota-exceeded': ({ adding, used, limit }) => ({
    status: 403,
    code: 'DENIED',
    message: exceededWords({ adding, used, storage: limit }),
  }),
  'tag-condition-failed': ({ tag, current }) => ({
    status: 412,
    code: 'DENIED',
    message: current === null ? `the tag ${tag} does not exist` : `the tag ${tag} points at ${current}`,
  }),
};

const unavailable = (message: string, retryAfterSeconds = 1): Answer => ({
  status: 503,
  code: 'UNAVAILABLE',
  message,
  headers: { 'retry-after': String(retryAfterSeconds) },
});

/** What the client is told of `error`; undefined for a bug, of which it is told nothing. */
function answerFor(error: unknown): Answer | undefined {
  if (error instanceof RequestRefused) return error.answer;
  if (error instanceof Refusal) {
    const answer = answers[error.reason.kind] as (reason: Reason) => Answer;
    return answer(error.reason);
  }
  if (error instanceof UploadNotFound) {
    return { status: 404, code: 'BLOB_UPLOAD_UNKNOWN', message: 'blob upload unknown to registry' };
  }
  if (error instanceof OffsetMismatch) {
    return { status: 416, code: 'RANGE_INVALID', message: `the upload ends at byte ${error.end}` };
  }
  if (error instanceof UploadBusy) {
    return { status: 416, code: 'RANGE_INVALID', message: 'another request is writing to this upload' };
  }
  if (error instanceof DigestMismatch) {
    return {
      status: 400,
      code: 'DIGEST_INVALID',
      message: `the content has the digest ${error.actual}, not ${error.expected}`,
    };
  }
  if (error instanceof AppendTooLarge) {
    return { status: 413, code: 'SIZE_INVALID', message: 'the manifest is too large to be recorded' };
  }
  if (error instanceof BlobTooLarge) return { status: 413, code: 'SIZE_INVALID', message: error.message };
  if (error instanceof StoreFull) {
    return { status: 507, code: 'UNAVAILABLE', message: 'the registry has no space left' };
  }
  if (error instanceof StoreUnavailable) return unavailable('the blob store is not available');
  if (error instanceof LogUnavailable) return unavailable('the event log is not available');
  if (error instanceof SessionStoreUnavailable) return unavailable('the sessions are not available');
  // What a process that was killed has claimed is free again after half a minute, for which clients do not wait at once.
  if (error instanceof RoomClaimed) return unavailable(error.message, 5);
  if (error instanceof RevisionConflict) return unavailable('too many writers at once');
  if (error instanceof QuestionTooLong)
    return unavailable('the list took too long; ask for less of it, by op_time for example');
  if (error instanceof ViewsBehind) return unavailable('the change is recorded but not visible yet');
  if (error instanceof BlobNotFound) return unavailable('the content is missing from the blob store');
  return undefined;
}

/** Node's own refusals (Fastify's too) carry a status; their words are harmless. */
function refusalOfServer(error: unknown): Answer | undefined {
  if (!(error instanceof Error) || !('statusCode' in error)) return undefined;
  const status = Number(error.statusCode);
  return status >= 400 && status < 500 ? { status, code: 'UNSUPPORTED', message: error.message } : undefined;
}

export const errorBody = ({ code, message, details }: Answer) => ({
  errors: details === undefined ? [{ code, message }] : details.map((detail) => ({ code, message, detail })),
});

/**
 * Answers every error of every route.
 * @param isOutage tells whether an error without a name of its own means that a database is away, or did not come to
 * it in time.
 */
export const errorHandler =
  (isOutage: (error: unknown) => boolean) =>
  (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const known =
      answerFor(error) ??
      refusalOfServer(error) ??
      (isOutage(error) ? unavailable('the database is not available') : undefined);
    const answer = known ?? { status: 500, code: 'UNKNOWN', message: 'internal server error' };
    if (request.raw.destroyed && !request.raw.complete)
      request.log.info({ err: error }, 'the client went away');
    else if (answer.status >= 500) request.log.error({ err: error }, 'the request failed');
    return reply
      .code(answer.status)
      .headers(answer.headers ?? {})
      .send(errorBody(answer));
  };
