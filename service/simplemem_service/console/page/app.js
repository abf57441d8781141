// Starts the parts of the console.

import { startOperations } from "./operations.js";
import { startSearch } from "./search.js";
import { refreshStatus, startStatus } from "./status.js";
import { startTimeline } from "./timeline.js";
import { startToken } from "./token.js";

startToken(refreshStatus);
startSearch();
startTimeline();
startOperations(refreshStatus);
startStatus();
