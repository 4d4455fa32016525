--  The progress callback. A callback inside a procedure would need an executable stack.
with Interfaces.C; use Interfaces.C;
with System;       use System;
with Glacier;      use Glacier;

package Reports is

   function On_Progress
     (User_Data : Address; State : access constant Progress) return int
   with Convention => C;

end Reports;
