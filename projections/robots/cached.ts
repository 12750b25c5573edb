import { type CachedQuestion, everything } from '../../infra/database/cached-question.ts';
import { type RobotsEvent, robots } from './projection.ts';

/** `findRobot` */
export const robotQuestion: CachedQuestion<RobotsEvent, [storedName: string]> = {
  view: robots,
  subjectOf: (storedName) => storedName,
  touchedBy(event) {
    switch (event.type) {
      case 'RobotCreated':
      case 'RobotChanged':
      case 'RobotSecretChanged':
      case 'RobotPreviousSecretEnded':
      case 'RobotDeleted':
        return [event.data.name];
      // Nothing that was given before it counts in it.
      case 'ProjectCreated':
        return [];
      // Takes its robots with it, and what any robot may do there.
      case 'ProjectDeleted':
        return everything;
    }
  },
};
