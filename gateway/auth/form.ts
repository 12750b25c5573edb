import type { FastifyRequest } from 'fastify';
import { RequestRefused } from '../errors.ts';
import { bodyStream } from '../oci/body.ts';

/** More than any client of the token service sends. */
const maxFormBytes = 64 * 1024;

/** A form (application/x-www-form-urlencoded), whatever its Content-Type says. @throws RequestRefused 413 */
export async function readForm(request: FastifyRequest): Promise<URLSearchParams> {
  const chunks: Uint8Array[] = [];
  let size = 0;
  for await (const chunk of bodyStream(request)) {
    size += chunk.length;
    if (size > maxFormBytes)
      throw new RequestRefused({
        status: 413,
        code: 'SIZE_INVALID',
        message: `a form has at most ${maxFormBytes} bytes`,
      });
    chunks.push(chunk);
  }
  return new URLSearchParams(Buffer.concat(chunks).toString());
}
