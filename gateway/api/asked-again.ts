import type { FastifyRequest } from 'fastify';

/** What a route has asked before it read the body; each question throws where the answer is no by now. */
const questions = new WeakMap<FastifyRequest, (() => Promise<unknown>)[]>();

/** Has the question repeated when the body is there. */
export function remember(request: FastifyRequest, question: () => Promise<unknown>): void {
  const asked = questions.get(request);
  if (asked === undefined) questions.set(request, [question]);
  else asked.push(question);
}

/**
 * Asks all of it again, as of now: a body may come slowly, and who sends it may have lost meanwhile what he may.
 * @throws RequestRefused as the questions do.
 */
export async function askAgain(request: FastifyRequest): Promise<void> {
  for (const question of questions.get(request) ?? []) await question();
}
