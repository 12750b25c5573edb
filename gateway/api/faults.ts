import { RequestRefused } from '../errors.ts';

/*
 * The refusals of the management API, with Harbor's codes and its words where there is nothing more to say.
 */

const refusal =
  (status: number, code: string, standard: string) =>
  (message = standard): RequestRefused =>
    new RequestRefused({ status, code, message });

export const badRequest = refusal(400, 'BAD_REQUEST', 'bad request');
export const unauthorized = refusal(401, 'UNAUTHORIZED', 'unauthorized');
export const forbidden = refusal(403, 'FORBIDDEN', 'forbidden');
/** A robot that would give more than it has. */
export const denied = refusal(403, 'DENIED', 'denied');
export const notFound = refusal(404, 'NOT_FOUND', 'resource not found');
export const notAcceptable = refusal(406, 'NOT_ACCEPTABLE', 'not acceptable');
export const conflict = refusal(409, 'CONFLICT', 'resource conflict');
export const preconditionFailed = refusal(412, 'PRECONDITION', 'precondition failed');
/** Something that is to go, and that something else needs. */
export const needed = refusal(
  412,
  'VIOLATE_FOREIGN_KEY_CONSTRAINT',
  'the deleting artifact is referenced by others',
);
export const tooLarge = refusal(413, 'REQUEST_ENTITY_TOO_LARGE', 'the body is too large');
export const unsupportedMediaType = refusal(415, 'UNSUPPORTED', 'a body is application/json');

/** What does not fit the schema of the API: one entry for each fault. */
export const unprocessable = (...faults: readonly string[]): RequestRefused =>
  new RequestRefused({
    status: 422,
    code: 'UNPROCESSABLE_ENTITY',
    message: ['validation failure list:', ...faults].join('\n'),
  });
