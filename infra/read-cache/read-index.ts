/**
 * Asks for the log's head on behalf of all who want to know at the same time. What one is told was asked after he
 * called: a question that was under way by then may have been answered before an event that he must not miss.
 */
export function readIndex<Head>(head: () => Promise<Head>): () => Promise<Head> {
  let asking: Promise<Head> | undefined;
  let next: Promise<Head> | undefined;

  function ask(): Promise<Head> {
    next = undefined;
    const answer = head();
    asking = answer;
    const done = (): void => {
      if (asking === answer) asking = undefined;
    };
    answer.then(done, done);
    return answer;
  }

  return () => {
    // What has arrived together shares one question: the requests of all connections that are read in one turn.
    next ??= (asking ?? endOfTurn()).then(ask, ask);
    return next;
  };
}

const endOfTurn = () => new Promise<void>((resolve) => setImmediate(resolve));
