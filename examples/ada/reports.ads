--  The progress callback. It is in a package: a callback inside a procedure needs an executable stack.
with Ada.Exceptions; use Ada.Exceptions;
with Interfaces.C;   use Interfaces.C;
with System;         use System;
with Glacier;        use Glacier;

package Reports is

   --  The exception that the callback stored. It must not leave the callback.
   Failure : Exception_Occurrence;

   function On_Progress
     (User_Data : Address; State : access constant Progress) return int
   with Convention => C;

end Reports;
