import type { FastifyRequest } from 'fastify';
import { RequestRefused } from '../errors.ts';
import { readBytes } from '../oci/body.ts';

/** More than any client of the token service sends. */
const maxFormBytes = 64 * 1024;

/** A form (application/x-www-form-urlencoded), whatever its Content-Type says. @throws RequestRefused 413 */
export async function readForm(request: FastifyRequest): Promise<URLSearchParams> {
  const bytes = await readBytes(request, maxFormBytes, tooLarge);
  return new URLSearchParams(bytes.toString());
}

const tooLarge = () =>
  new RequestRefused({
    status: 413,
    code: 'SIZE_INVALID',
    message: `a form has at most ${maxFormBytes} bytes`,
  });
