with Ada.IO_Exceptions;
with Ada.Strings;       use Ada.Strings;
with Ada.Strings.Fixed; use Ada.Strings.Fixed;
with Ada.Text_IO;       use Ada.Text_IO;
with Interfaces;        use Interfaces;

package body Reports is

   procedure Show (State : Progress) is
      Done  : constant Unsigned_64 := State.Bytes_Done + State.Bytes_Resumed;
      Total : constant String :=
        (if State.Bytes_Total = Unknown_Length then "" else " of" & State.Bytes_Total'Image);
   begin
      Put_Line (Standard_Error, Trim (Done'Image, Left) & Total & " bytes");
   exception
      when Ada.IO_Exceptions.Device_Error =>
         null;  --  Standard error cannot be written. The upload does not need it.
   end Show;

   function On_Progress
     (User_Data : Address; State : access constant Progress) return int
   is
      pragma Unreferenced (User_Data);
   begin
      Show (State.all);
      return Glacier_Continue;
   exception
      when Raised : others =>
         Save_Occurrence (Failure, Raised);
         return Glacier_Stop;
   end On_Progress;

end Reports;
