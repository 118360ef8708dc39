import type { Positional } from '../command.js';

export const BACKEND: Positional = {
  name: 'SERVICE/BACKEND',
  describe: 'The backend by its id; the id alone will do where there is one service',
  values: 'backends',
};

export const SERVICE: Positional = { name: 'SERVICE', describe: "The service's name", values: 'services' };
