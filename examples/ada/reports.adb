with Ada.Strings;       use Ada.Strings;
with Ada.Strings.Fixed; use Ada.Strings.Fixed;
with Ada.Text_IO;       use Ada.Text_IO;
with Interfaces;        use Interfaces;

package body Reports is

   --  An exception must not leave a callback.
   function On_Progress
     (User_Data : Address; State : access constant Progress) return int
   is
      pragma Unreferenced (User_Data);
      Done : constant Unsigned_64 := State.Bytes_Done + State.Bytes_Resumed;
   begin
      Put_Line
        (Standard_Error,
         Trim (Done'Image, Left) & " of" & State.Bytes_Total'Image & " bytes");
      return Glacier_Continue;
   end On_Progress;

end Reports;
